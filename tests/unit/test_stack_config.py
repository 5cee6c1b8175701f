"""A stack's configuration and the catalogue: how they join, and how mistakes in them are told."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import stack_config
from cli.__main__ import main
from stack_config import StackConfigError, running_stack, stack_from_file

ROOT = Path(__file__).resolve().parents[2]
STACK_FILE = "stacks/Pulumi.lab.yaml"

Write = Callable[..., None]


def on_workspace(name: str = "hello", **more: Any) -> dict[str, Any]:
    return {"name": name, "context": {"workspace": f"/workspace/{name}"}, **more}


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a project: the catalogue's text or value, and keys of the stack `lab`."""
    (folder / "stacks").mkdir()

    def files(catalogue: object = None, **values: Any) -> None:
        chosen = {"images": [on_workspace()]} if catalogue is None else catalogue
        text = chosen if isinstance(chosen, str) else yaml.safe_dump(chosen)
        (folder / "images.yaml").write_text(text)
        config = {f"pulumi-kaniko:{key}": value for key, value in values.items()}
        (folder / STACK_FILE).write_text(yaml.safe_dump({"config": config}))

    return files


def lines(stack: str = "lab") -> list[str]:
    """What is printed of a refused configuration: the heading first."""
    with pytest.raises(StackConfigError) as caught:
        stack_from_file(stack)
    return str(caught.value).splitlines()


def only(line: str) -> list[str]:
    return ["stack 'lab' has 1 mistake:", f"  {line}"]


# --- how they join -------------------------------------------------------------------------------


def test_the_catalogue_alone_is_a_configuration(write: Write) -> None:
    write()
    assert stack_from_file("lab") == {"images": [on_workspace()]}


def test_a_stack_adds_to_the_catalogue(write: Write) -> None:
    loader = {"image": "busybox"}
    write({"images": [], "workspace": {"loader": loader}}, workspace={"size": "1Gi"}, namespace="n")
    args: object = stack_from_file("lab")
    assert args == {
        "images": [],
        "workspace": {"loader": loader, "size": "1Gi"},
        "namespace": "n",
    }


def test_what_the_stack_says_wins(write: Write) -> None:
    write({"images": [], "workspace": {"size": "1Gi", "revision": "1"}}, workspace={"size": "2Gi"})
    assert stack_from_file("lab")["workspace"] == {"size": "2Gi", "revision": "1"}


def test_a_list_of_the_stack_takes_the_place_of_the_catalogues(write: Write) -> None:
    write(images=[on_workspace("other")])
    assert stack_from_file("lab")["images"] == [on_workspace("other")]


def test_neither_file_is_changed_by_joining(write: Write) -> None:
    catalogue = {"images": [], "workspace": {"revision": "1"}}
    values = {"workspace": {"size": "2Gi"}}
    stack_config._join(catalogue, values)
    assert catalogue == {"images": [], "workspace": {"revision": "1"}}
    assert values == {"workspace": {"size": "2Gi"}}


def test_keys_of_other_projects_are_not_ours(write: Write, folder: Path) -> None:
    write()
    (folder / STACK_FILE).write_text("config:\n  aws:region: eu-central-1\n  other:size: 1\n")
    assert stack_from_file("lab") == {"images": [on_workspace()]}


def test_a_stack_file_that_chooses_nothing_is_fine(write: Write, folder: Path) -> None:
    write()
    for text in ("", "config:\n", "config: {}\n", "encryptionsalt: v1:x\n"):
        (folder / STACK_FILE).write_text(text)
        assert stack_from_file("lab") == {"images": [on_workspace()]}


def test_an_encrypted_value_counts_as_text_where_nobody_can_decrypt_it(write: Write) -> None:
    login = {"registry": "r.example.com", "username": "u", "password": {"secure": "v1:abc"}}
    write(credentials={"logins": [login]}, namespace={"secure": "v1:def"})
    args = stack_from_file("lab")
    assert args["namespace"] == "v1:def"
    assert args["credentials"]["logins"][0]["password"] == "v1:abc"


def test_a_map_with_more_than_an_encrypted_value_is_none(write: Write) -> None:
    write(namespace={"secure": "v1:def", "other": "x"})
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:namespace: must be text, found a map with the keys "
        "other, secure"
    )


# --- as the engine hands it over -----------------------------------------------------------------


@pytest.fixture
def engine(write: Write) -> Callable[..., Any]:
    """Read the configuration as a program does that the engine runs with these values."""
    write()

    def read(**values: str) -> Any:
        pulumi.runtime.set_all_config({f"pulumi-kaniko:{key}": values[key] for key in values})
        pulumi.runtime.settings.configure(
            pulumi.runtime.settings.Settings(project="pulumi-kaniko", stack="lab", dry_run=False)
        )
        try:
            return running_stack()
        finally:
            pulumi.runtime.set_all_config({})

    return read


def test_maps_and_lists_come_as_json(engine: Callable[..., Any]) -> None:
    args = engine(
        registryMaps=json.dumps({"index.docker.io": "mirror.example.com"}),
        insecureRegistries=json.dumps(["mirror.example.com"]),
        workspace=json.dumps({"size": "1Gi"}),
    )
    assert args["registry_maps"] == {"index.docker.io": "mirror.example.com"}
    assert args["insecure_registries"] == ["mirror.example.com"]
    assert args["workspace"] == {"size": "1Gi"}


def test_numbers_and_truth_values_come_as_text(engine: Callable[..., Any]) -> None:
    args = engine(activeDeadlineSeconds="60", createNamespace="false")
    assert (args["active_deadline_seconds"], args["create_namespace"]) == (60, False)


def test_text_that_is_no_json_stays_text(engine: Callable[..., Any]) -> None:
    assert engine(namespace="kaniko")["namespace"] == "kaniko"
    assert engine(namespace="")["namespace"] == ""


@pytest.mark.parametrize("text", ["[not json", "{neither", "{{x}}"])
def test_text_that_only_begins_as_json_does_is_no_traceback(
    engine: Callable[..., Any], text: str
) -> None:
    assert engine(kubeContext=text)["kube_context"] == text


def test_a_mistake_is_told_the_same_with_and_without_the_engine(
    engine: Callable[..., Any], write: Write
) -> None:
    with pytest.raises(StackConfigError) as caught:
        engine(sise="1Gi", workspace=json.dumps({"sise": "1Gi"}))
    write(sise="1Gi", workspace={"sise": "1Gi"})
    assert str(caught.value).splitlines() == lines()


# --- the rows of bad input -----------------------------------------------------------------------


def test_an_unknown_key_is_told_with_the_nearest_one(write: Write) -> None:
    write(namespase="kaniko")
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:namespase: unknown key; did you mean 'namespace'?"
    )
    write({"images": [on_workspace(buildArg={})]})
    unknown = "images.yaml: images[0].buildArg: unknown key; did you mean 'buildArgs'?"
    assert lines() == only(unknown)


def test_an_unknown_key_that_is_near_to_none_is_told_with_all(write: Write) -> None:
    write(workspace={"zzz": 1})
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:workspace.zzz: unknown key; "
        "known: accessModes, claimName, loader, revision, size, storageClass"
    )


def test_a_wrong_type_is_told_with_what_was_found(write: Write) -> None:
    write(activeDeadlineSeconds="soon")
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:activeDeadlineSeconds: must be a whole number, found 'soon'"
    )
    write({"images": [on_workspace(tags=1.5)]})
    assert lines() == only("images.yaml: images[0].tags: must be a list, found the number 1.5")
    write({"images": None})
    assert lines() == only("images.yaml: images: must be a list, found nothing")


def test_a_missing_key_is_told(write: Write) -> None:
    write({"images": [{"name": "hello"}]})
    assert lines() == only("images.yaml: images[0].context: is required and was not given")
    write({})
    assert lines() == only("images.yaml: images: is required and was not given")
    write(credentials={"logins": [{"registry": "r.example.com", "username": "u"}]})
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:credentials.logins[0].password: is required and was not given"
    )


def test_a_name_that_two_images_have_is_told(write: Write) -> None:
    write({"images": [on_workspace(), on_workspace("b"), on_workspace(), on_workspace()]})
    assert lines() == [
        "stack 'lab' has 2 mistakes:",
        "  images.yaml: images[2].name: 'hello' is the name of images[0] too; choose another",
        "  images.yaml: images[3].name: 'hello' is the name of images[0] too; choose another",
    ]


def test_a_bad_name_is_told(write: Write) -> None:
    write({"images": [on_workspace("My_Build")]})
    assert lines() == only(
        "images.yaml: images[0].name: 'My_Build' can't name an image; up to 52 lower-case letters, "
        "digits and '-' are allowed, with a letter or digit at both ends"
    )


def test_a_bad_destination_is_told(write: Write) -> None:
    write({"images": [on_workspace(destination="https://r.example.com/a")]})
    assert lines() == only(
        "images.yaml: images[0].destination: 'https://r.example.com/a' has a scheme; write it "
        "without 'https://'"
    )


def test_a_directory_that_is_not_there_is_told(write: Write) -> None:
    write({"images": [{"name": "a", "context": {"directory": "examples/nowhere"}}]})
    assert lines() == only(
        "images.yaml: images[0].context.directory: examples/nowhere: there is no such directory; "
        "create it or correct the path"
    )


def test_a_directory_without_a_dockerfile_is_told(write: Write, folder: Path) -> None:
    (folder / "empty").mkdir()
    write({"images": [{"name": "a", "context": {"directory": "empty"}}]})
    assert lines() == only(
        "images.yaml: images[0].context.directory: empty: there is no Dockerfile in it; write one, "
        "or name another with `dockerfile`, relative to this directory"
    )


def test_a_cycle_is_told_with_its_path(write: Write) -> None:
    write(
        {
            "images": [
                on_workspace("a", buildArgs={"BASE": "images/b"}),
                on_workspace("b", buildArgs={"BASE": "images/a"}),
            ]
        }
    )
    heading, line = lines()
    assert heading == "stack 'lab' has 1 mistake:"
    assert line in (
        "  images.yaml: images[0].buildArgs: images build on each other in a circle: a -> b -> a",
        "  images.yaml: images[1].buildArgs: images build on each other in a circle: b -> a -> b",
    )


def test_a_reference_to_an_unknown_image_is_told(write: Write) -> None:
    write({"images": [on_workspace(), on_workspace("greeter", buildArgs={"BASE": "images/helo"})]})
    assert lines() == only(
        "images.yaml: images[1].buildArgs.BASE: there is no image 'helo'; did you mean 'hello'?"
    )


@pytest.mark.parametrize("text", ["images: [", "a: b: c", "\tx", "images: *nowhere"])
def test_a_catalogue_that_is_no_yaml_is_told_with_the_place(write: Write, text: str) -> None:
    write(text)
    told = "\n".join(lines())
    assert told.startswith("images.yaml is no valid YAML: ")
    assert "line 1, column " in told


def test_a_stack_file_that_is_no_yaml_is_told_with_the_place(write: Write, folder: Path) -> None:
    write()
    (folder / STACK_FILE).write_text("config:\n  a: [\n")
    told = "\n".join(lines())
    assert told.startswith(f"{STACK_FILE} is no valid YAML: ")
    assert "line 3, column 1" in told


def test_a_catalogue_that_is_not_there_or_no_text_is_told(write: Write, folder: Path) -> None:
    write()
    (folder / "images.yaml").write_bytes(b"\xff\xfe\xff")
    assert lines()[0].startswith("images.yaml can't be read: ")
    (folder / "images.yaml").unlink()
    assert lines()[0].startswith("images.yaml can't be read: ")


def test_a_stack_that_does_not_exist_is_told_with_those_that_do(write: Write, folder: Path) -> None:
    write()
    (folder / "stacks/Pulumi.dev.yaml").write_text("config: {}\n")
    assert lines("lba") == [
        "there is no stack 'lba', since there is no stacks/Pulumi.lba.yaml; known: dev, lab"
    ]


def test_efs_is_refused_clearly_until_it_is_there(write: Write) -> None:
    write(storage="efs")
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:storage: 'efs' is not there yet: a later release makes the "
        "file system and its class; until then name a storage class that exists in the cluster, or "
        "'default'"
    )


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_stacks_for_aws_say_so_before_anything_is_touched(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    heading, line = lines(stack)
    assert heading == f"stack '{stack}' has 1 mistake:"
    assert line.startswith(f"  stacks/Pulumi.{stack}.yaml: pulumi-kaniko:storage: 'efs' is not")


@pytest.mark.parametrize("stack", ["lab", "local"])
def test_the_other_stacks_of_this_repository_have_no_mistake(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert [image["name"] for image in stack_from_file(stack)["images"]] == [
        "hello",
        "my-build",
        "greeter",
    ]


# --- which file a mistake is in ------------------------------------------------------------------


def test_a_mistake_is_told_of_the_file_that_it_stands_in(write: Write) -> None:
    write(
        {"images": [on_workspace(tgs=[])], "workspace": {"loader": {"imag": "x"}}},
        workspace={"sise": "1Gi"},
        registry={"image": 5},
    )
    assert sorted(lines()[1:]) == [
        "  images.yaml: images[0].tgs: unknown key; did you mean 'tags'?",
        "  images.yaml: workspace.loader.imag: unknown key; did you mean 'image'?",
        "  images.yaml: workspace.loader.image: is required and was not given",
        f"  {STACK_FILE}: pulumi-kaniko:registry.image: must be text, found the number 5; "
        "write it in quotes",
        f"  {STACK_FILE}: pulumi-kaniko:workspace.sise: unknown key; did you mean 'size'?",
    ]


def test_a_value_that_the_stack_overrides_is_told_of_the_stack(write: Write) -> None:
    write({"images": [], "workspace": {"revision": "1"}}, workspace={"revision": 2})
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:workspace.revision: must be text, found the number 2; "
        "write it in quotes"
    )


def test_a_list_that_the_stack_overrides_is_told_of_the_stack(write: Write) -> None:
    write(images=[on_workspace(tgs=[])])
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:images[0].tgs: unknown key; did you mean 'tags'?"
    )


# --- all of it -----------------------------------------------------------------------------------

EVERYTHING = {
    "images": [
        on_workspace(),
        on_workspace(),
        {"name": "no-directory", "context": {"directory": "nowhere"}},
        {"name": "no-dockerfile", "context": {"directory": "stacks"}},
        on_workspace("bad-destination", destination="https://r.example.com/a"),
        on_workspace("unknown-base", buildArgs={"BASE": "images/helo"}),
        on_workspace("one", buildArgs={"BASE": "images/other"}),
        on_workspace("other", buildArgs={"BASE": "images/one"}),
    ]
}


def test_all_that_is_wrong_with_the_values_is_told_at_once(write: Write) -> None:
    write(EVERYTHING, storage="efs")
    told = lines()
    assert told[0] == "stack 'lab' has 7 mistakes:"
    for part in (
        "pulumi-kaniko:storage: 'efs'",
        "images[1].name: 'hello' is the name of images[0] too",
        "images[2].context.directory: nowhere: there is no such directory",
        "images[3].context.directory: stacks: there is no Dockerfile in it",
        "images[4].destination: 'https://r.example.com/a' has a scheme",
        "images[5].buildArgs.BASE: there is no image 'helo'",
        "buildArgs: images build on each other in a circle",
    ):
        assert part in "\n".join(told)


def test_wrong_types_hide_no_other_mistake(write: Write) -> None:
    images = [*EVERYTHING["images"], on_workspace("unknown-key", tgs=[]), {"name": "missing-key"}]
    write({"images": images}, storage="efs", namespase="x", createNamespace="perhaps")
    told = "\n".join(lines())
    assert "images[9].context: is required" in told
    assert "images[8].tgs: unknown key" in told
    assert "createNamespace: must be true or false" in told
    assert "pulumi-kaniko:namespase: unknown key" in told
    assert "there is no such directory" in told
    assert "has 11 mistakes:" in told


def test_a_bad_login_is_told_before_anything_is_touched(write: Write) -> None:
    login = {"username": "u", "password": "p"}
    write(credentials={"logins": [{**login, "registry": "https://r.example.com"}]})
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:credentials.logins[0].registry: 'https://r.example.com' is "
        "no registry host such as registry.example.com:5000"
    )


def test_a_deadline_that_has_passed_already_is_told(write: Write) -> None:
    write(activeDeadlineSeconds=0)
    assert lines() == only(
        f"{STACK_FILE}: pulumi-kaniko:activeDeadlineSeconds: must be 1 second or more, found 0"
    )


@pytest.mark.parametrize("command", ["up", "preview", "status"])
@pytest.mark.parametrize(
    ("catalogue", "stack", "told"),
    [
        (EVERYTHING, "lab", "error: stack 'lab' has 6 mistakes:\n"),
        ("images: [", "lab", "error: images.yaml is no valid YAML: "),
        ("images: []", "nowhere", "error: there is no stack 'nowhere', since there is no stacks/"),
    ],
)
def test_the_command_line_ends_with_the_mistakes_alone_and_touches_nothing(
    write: Write,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    catalogue: object,
    stack: str,
    told: str,
) -> None:
    write(catalogue)
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["cli", command, "--stack", stack])
    with pytest.raises(SystemExit) as caught:
        main()
    assert str(caught.value.code).startswith(told)
    assert capsys.readouterr().out == ""
    assert sorted(folder.rglob("*")) == before
