"""What kaniko is started with."""

from dataclasses import replace

from components.executor import CAPABILITIES, Build, executor_args

BUILD = Build(
    context="dir:///workspace/my-build",
    dockerfile="docker/Dockerfile",
    destinations=["registry.example.com/app:latest", "registry.example.com/app:v1"],
    build_args={"SECOND": "2", "FIRST": "a=b c"},
    insecure_registries=["b.example.com:5000", "a.example.com:5000"],
    registry_maps={"quay.io": "mirror.example.com", "index.docker.io": "mirror.example.com"},
)


def test_kaniko_is_told_all_of_a_build_in_an_order_that_never_changes() -> None:
    assert executor_args(BUILD) == [
        "--context=dir:///workspace/my-build",
        "--dockerfile=docker/Dockerfile",
        "--destination=registry.example.com/app:latest",
        "--destination=registry.example.com/app:v1",
        "--build-arg=FIRST=a=b c",
        "--build-arg=SECOND=2",
        "--insecure-registry=a.example.com:5000",
        "--insecure-registry=b.example.com:5000",
        "--registry-map=index.docker.io=mirror.example.com",
        "--registry-map=quay.io=mirror.example.com",
        "--log-format=text",
    ]


def test_what_was_not_chosen_is_not_said() -> None:
    bare = replace(BUILD, build_args={}, insecure_registries=[], registry_maps={})
    assert executor_args(bare) == [
        "--context=dir:///workspace/my-build",
        "--dockerfile=docker/Dockerfile",
        "--destination=registry.example.com/app:latest",
        "--destination=registry.example.com/app:v1",
        "--log-format=text",
    ]


def test_an_awkward_build_argument_stays_one_argument() -> None:
    awkward = replace(BUILD, build_args={"X": "line\nline 'and' \"quotes\" $HOME --no-push"})
    assert "--build-arg=X=line\nline 'and' \"quotes\" $HOME --no-push" in executor_args(awkward)


def test_the_capabilities_are_those_that_were_seen_to_be_enough() -> None:
    # Another one weakens every build; one less breaks chown, su or file capabilities.
    assert CAPABILITIES == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETFCAP", "SETGID", "SETUID"]
