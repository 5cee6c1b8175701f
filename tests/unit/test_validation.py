"""Arguments of the wrong shape: what was found, what is allowed, and all of it at once."""

import asyncio
from typing import Any

import pulumi
import pytest

from components import AccessMode, CredentialsArgs, ImageArgs, ImageFactoryArgs, RegistryArgs
from components.mistakes import InvalidArgs
from components.validation import described, fields, validate

IMAGE: dict[str, Any] = {
    "namespace": "kaniko",
    "destination": "registry.example.com/app",
    "context": {"workspace": "/workspace/app"},
}


def image(**more: Any) -> dict[str, Any]:
    return {key: value for key, value in (IMAGE | more).items() if value is not ...}


def problems(shape: type[Any], value: object) -> list[str]:
    with pytest.raises(InvalidArgs) as caught:
        validate(shape, value, "it")
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        (ImageArgs, image(contxt={}), "contxt: unknown key; did you mean 'context'?"),
        (ImageArgs, image(BuildArgs={}), "BuildArgs: unknown key; did you mean 'buildArgs'?"),
        (
            ImageArgs,
            image(resources={"request": {}}),
            "resources.request: unknown key; did you mean 'requests'?",
        ),
        (
            ImageArgs,
            image(context={"directori": "."}),
            "context.directori: unknown key; did you mean 'directory'?",
        ),
        (
            ImageArgs,
            image(context={"zzz": "."}),
            "context.zzz: unknown key; known: directory, workspace",
        ),
        (
            ImageFactoryArgs,
            {"images": [], "workspace": {"loader": {"image": "x", "comand": []}}},
            "workspace.loader.comand: unknown key; did you mean 'command'?",
        ),
        (
            CredentialsArgs,
            {
                "namespace": "n",
                "logins": [{"registry": "r", "username": "u", "password": "p", "user": "u"}],
            },
            "logins[0].user: unknown key; did you mean 'username'?",
        ),
        (
            ImageFactoryArgs,
            {"images": [{"name": "a", "context": {}, "dockerFile": "x"}]},
            "images[0].dockerFile: unknown key; did you mean 'dockerfile'?",
        ),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(
    shape: type[Any], value: object, problem: str
) -> None:
    assert problems(shape, value) == [problem]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (image(tags="v1"), "tags: must be a list, found 'v1'"),
        (image(tags=[1]), "tags[0]: must be text, found the number 1; write it in quotes"),
        (
            image(tags=[True]),
            "tags[0]: must be text, found the truth value true; write it in quotes",
        ),
        (image(context="."), "context: must be a map of keys and values, found '.'"),
        (image(context=None), "context: must be a map of keys and values, found nothing"),
        (image(dockerfile=["a", "b"]), "dockerfile: must be text, found a list of 2"),
        (image(buildArgs={"A": {}}), "buildArgs.A: must be text, found an empty map"),
        (image(namespace={"a": 1}), "namespace: must be text, found a map with the keys a"),
        (
            image(activeDeadlineSeconds="soon"),
            "activeDeadlineSeconds: must be a whole number, found 'soon'",
        ),
        (
            image(activeDeadlineSeconds=1.5),
            "activeDeadlineSeconds: must be a whole number, found the number 1.5",
        ),
        (
            image(workspace={"claimName": "w", "whole": "perhaps"}),
            "workspace.whole: must be true or false, found 'perhaps'",
        ),
        (
            image(resources={"limits": {"cpu": 2}}),
            "resources.limits.cpu: must be text, found the number 2; write it in quotes",
        ),
        ("text", "must be a map of keys and values, found 'text'"),
    ],
)
def test_a_wrong_type_is_told_with_what_was_found_and_what_is_allowed(
    value: object, problem: str
) -> None:
    assert problems(ImageArgs, value) == [problem]


@pytest.mark.parametrize("value", [1, None, ["a"]])
def test_a_wrong_input_is_one_mistake_although_it_may_be_an_output(value: object) -> None:
    (problem,) = problems(ImageArgs, image(namespace=value))
    assert problem.startswith("namespace: must be text, found ")


def test_an_unknown_choice_is_told_with_all_that_there_are() -> None:
    value = {"namespace": "n", "accessModes": ["ReadWriteOnce", "ReadWriteSome"]}
    assert problems(RegistryArgs, value) == [
        "accessModes[1]: must be 'ReadWriteOnce', 'ReadWriteMany', 'ReadWriteOncePod' or "
        "'ReadOnlyMany', found 'ReadWriteSome'"
    ]


def test_a_missing_key_is_told() -> None:
    assert problems(ImageArgs, image(context=...)) == ["context: is required and was not given"]
    assert problems(ImageArgs, {}) == [
        f"{key}: is required and was not given" for key in ("context", "namespace", "destination")
    ]


def test_all_mistakes_are_told_at_once() -> None:
    value = image(contxt={}, namespace=..., tags="v1", resources={"limits": {"cpu": 2}})
    assert sorted(problems(ImageArgs, value)) == [
        "contxt: unknown key; did you mean 'context'?",
        "namespace: is required and was not given",
        "resources.limits.cpu: must be text, found the number 2; write it in quotes",
        "tags: must be a list, found 'v1'",
    ]


def test_keys_are_taken_as_stack_files_and_as_python_write_them() -> None:
    expected = image(build_args={"A": "1"}, executor_image="kaniko:v1")
    camel = validate(ImageArgs, image(buildArgs={"A": "1"}, executorImage="kaniko:v1"), "it")
    snake = validate(ImageArgs, image(build_args={"A": "1"}, executor_image="kaniko:v1"), "it")
    assert camel == snake == expected


def test_names_of_build_arguments_stay_as_they_are() -> None:
    checked = validate(ImageArgs, image(buildArgs={"goVersion": "1", "GO_VERSION": "2"}), "it")
    assert checked["build_args"] == {"goVersion": "1", "GO_VERSION": "2"}


def test_a_key_that_is_given_in_both_ways_is_refused() -> None:
    (problem,) = problems(ImageArgs, image(buildArgs={"A": "1"}, build_args={"A": "2"}))
    assert problem == "build_args: unknown key; did you mean 'buildArgs'?"


def test_whole_numbers_may_be_floats_as_other_languages_send_them() -> None:
    checked = validate(ImageArgs, image(activeDeadlineSeconds=60.0), "it")
    assert repr(checked["active_deadline_seconds"]) == "60"


def test_values_may_be_text_as_pulumi_hands_configuration_over() -> None:
    value = {"images": [], "activeDeadlineSeconds": "60", "createNamespace": "false"}
    checked = validate(ImageFactoryArgs, value, "it")
    assert checked == {"images": [], "active_deadline_seconds": 60, "create_namespace": False}


def test_choices_may_be_text_or_the_enum() -> None:
    value = {"namespace": "n", "accessModes": ["ReadWriteMany", AccessMode.READ_ONLY_MANY]}
    checked = validate(RegistryArgs, value, "it")
    assert checked["access_modes"] == [AccessMode.READ_WRITE_MANY, AccessMode.READ_ONLY_MANY]


def test_outputs_are_taken_where_inputs_are() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    try:
        output = pulumi.Output.from_input("x")
        value = image(
            namespace=output,
            destination=output,
            build_args={"A": output},
            insecure_registries=[output, "y"],
            workspace={"claim_name": output, "revision": output},
        )
        checked = validate(ImageArgs, value, "it")
        assert checked["namespace"] is output
        assert checked["build_args"]["A"] is output
        assert checked["insecure_registries"][0] is output
        assert checked["workspace"]["claim_name"] is output
        (problem,) = problems(ImageArgs, image(dockerfile=output))
        assert problem == "dockerfile: must be text, found Output"
    finally:
        asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)


def test_what_was_given_is_not_changed() -> None:
    given = image(buildArgs={"A": "1"})
    validate(ImageArgs, given, "it")["build_args"]["A"] = "2"
    assert given["buildArgs"] == {"A": "1"}


def test_the_keys_of_a_shape_are_listed_with_those_it_inherits() -> None:
    assert {"claimName", "storageClass", "serviceName", "namespace"} <= set(fields(RegistryArgs))
    assert fields(str) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "the truth value true"),
        (1.5, "the number 1.5"),
        ("x", "'x'"),
        ([1, 2], "a list of 2"),
        ({"a": 1, "b": 2}, "a map with the keys a, b"),
        ({}, "an empty map"),
        (AccessMode.READ_ONLY_MANY, "'ReadOnlyMany'"),
        (object(), "object"),
    ],
)
def test_a_value_is_described_in_the_words_of_yaml(value: object, words: str) -> None:
    assert described(value) == words
