"""What the types can't say: names, contexts, references between images."""

from itertools import pairwise
from pathlib import Path

import pytest

from components.checks import (
    build_order,
    check_destination,
    check_graph,
    check_name,
    check_source,
    referred_image,
)
from components.mistakes import InvalidArgs, Mistake, dotted, nearest, told
from components.source import ImageSource


def on(*bases: str, **more: str) -> ImageSource:
    """An image that builds on others."""
    arguments = {f"BASE{index}": f"images/{base}" for index, base in enumerate(bases)}
    return {"context": {"workspace": "/workspace/x"}, "build_args": {**arguments, **more}}


def problems(source: ImageSource) -> list[str]:
    return [str(mistake) for mistake in check_source(source)]


@pytest.mark.parametrize("name", ["a", "hello", "my-build", "0", "a1-b2", "x" * 52])
def test_a_name_that_kubernetes_takes_is_fine(name: str) -> None:
    assert check_name(name) == []


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "My-Build", "a_b", "a.b", "a b", "ä", "x" * 53, "a\n"]
)
def test_a_name_that_kubernetes_refuses_is_told_with_what_is_allowed(name: str) -> None:
    (mistake,) = check_name(name)
    assert mistake.path == ("name",)
    assert mistake.problem == (
        f"'{name}' can't name an image; up to 52 lower-case letters, digits and '-' are allowed, "
        "with a letter or digit at both ends"
    )


def test_a_directory_with_a_dockerfile_is_fine(hello: str) -> None:
    assert problems({"context": {"directory": hello}}) == []


def test_a_directory_that_is_not_there_is_named(folder: Path) -> None:
    assert problems({"context": {"directory": "nowhere"}}) == [
        "context.directory: nowhere: there is no such directory; create it or correct the path"
    ]


def test_a_directory_without_a_dockerfile_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert problems({"context": {"directory": "empty"}}) == [
        "context.directory: empty: there is no Dockerfile in it; write one, or name another with "
        "`dockerfile`, relative to this directory"
    ]


def test_another_dockerfile_is_looked_for_by_its_own_name(hello: str) -> None:
    Path(hello, "prod.Dockerfile").write_text("FROM scratch\n")
    assert problems({"context": {"directory": hello}, "dockerfile": "prod.Dockerfile"}) == []
    (problem,) = problems({"context": {"directory": hello}, "dockerfile": "prd.Dockerfile"})
    assert "there is no prd.Dockerfile in it; did you mean prod.Dockerfile?" in problem


@pytest.mark.parametrize("path", ["/workspace", "/workspace/my-build", "/workspace/a/b"])
def test_a_path_on_the_workspace_is_fine(path: str) -> None:
    assert problems({"context": {"workspace": path}}) == []


@pytest.mark.parametrize(
    "path", ["my-build", "/other", "/workspaces", "/workspace/../etc", "/", "/workspace/a/../../b"]
)
def test_a_path_beside_the_workspace_is_refused(path: str) -> None:
    assert problems({"context": {"workspace": path}}) == [
        f"context.workspace: '{path}' is not on the workspace; it must be /workspace or a path "
        "below it"
    ]


def test_a_context_is_a_directory_or_a_path_on_the_workspace_and_not_both(hello: str) -> None:
    assert problems({"context": {}}) == [
        "context: needs either directory or workspace, found neither"
    ]
    assert problems({"context": {"directory": hello, "workspace": "/workspace/a"}}) == [
        "context: needs either directory or workspace, found directory and workspace"
    ]


def test_each_bad_tag_is_told_with_its_place() -> None:
    source: ImageSource = {"context": {"workspace": "/workspace/a"}, "tags": ["v1", "a b", "", "x"]}
    found = check_source(source)
    assert [mistake.path for mistake in found] == [("tags", 1), ("tags", 2)]
    assert "'a b' is no tag" in found[0].problem


def test_a_deadline_that_has_passed_already_is_refused() -> None:
    assert problems({"context": {"workspace": "/workspace/a"}, "active_deadline_seconds": 0}) == [
        "activeDeadlineSeconds: must be 1 second or more, found 0"
    ]


def test_a_bad_destination_is_told_and_one_that_is_not_known_yet_is_not() -> None:
    assert check_destination("registry.example.com/app:1") == []
    assert check_destination(object()) == []
    (mistake,) = check_destination("https://registry.example.com/app")
    assert str(mistake).startswith("destination: 'https://registry.example.com/app' has a scheme")


@pytest.mark.parametrize(
    ("value", "image"),
    [("images/hello", "hello"), ("hello", None), ("x/images/hello", None), (7, None), (None, None)],
)
def test_only_a_value_that_begins_so_refers_to_an_image(value: object, image: str | None) -> None:
    assert referred_image(value) == image


def test_an_unknown_image_is_told_with_the_nearest_name() -> None:
    images = {"hello": on(), "greeter": on("helo")}
    assert check_graph(images) == [
        Mistake(
            ("greeter", "buildArgs", "BASE0"), "there is no image 'helo'; did you mean 'hello'?"
        )
    ]


def test_an_unknown_image_that_is_near_to_none_is_told_with_all_names() -> None:
    (mistake,) = check_graph({"b": on("zzzzz"), "a": on()})
    assert mistake.problem == "there is no image 'zzzzz'; known: a, b"


def test_every_unknown_image_is_told() -> None:
    found = check_graph({"a": on("x1", "x2"), "b": on("x3")})
    assert [mistake.path for mistake in found] == [
        ("a", "buildArgs", "BASE0"),
        ("a", "buildArgs", "BASE1"),
        ("b", "buildArgs", "BASE0"),
    ]


def test_a_cycle_is_told_with_its_path() -> None:
    images = {"one": on("two"), "two": on("three"), "three": on("one"), "apart": on("one")}
    (mistake,) = check_graph(images)
    circle = mistake.problem.removeprefix("images build on each other in a circle: ").split(" -> ")
    assert circle[0] == circle[-1] == mistake.path[0]
    assert set(circle) == {"one", "two", "three"}
    # Each builds on the next one.
    for image, base in pairwise(circle):
        assert f"images/{base}" in images[image].get("build_args", {}).values()


def test_an_image_that_builds_on_itself_is_a_cycle() -> None:
    (mistake,) = check_graph({"self": on("self")})
    assert mistake == Mistake(
        ("self", "buildArgs"), "images build on each other in a circle: self -> self"
    )


def test_a_cycle_and_an_unknown_image_are_told_together() -> None:
    assert len(check_graph({"a": on("b"), "b": on("a"), "c": on("nowhere")})) == 2


def test_images_are_built_after_those_they_build_on() -> None:
    images = {"last": on("middle", "first"), "middle": on("first"), "first": on()}
    assert list(build_order(images)) == ["first", "middle", "last"]


def test_the_order_is_the_same_in_every_run() -> None:
    # Outputs are written in it: another order would be a change where nothing has changed.
    bases = [f"base{number}" for number in range(20)]
    images = {"top": on(*bases), **{base: on() for base in bases}}
    assert list(build_order(images)) == [*bases, "top"]


def test_a_path_is_written_as_people_write_it() -> None:
    assert dotted(("images", 2, "context", "directory")) == "images[2].context.directory"
    assert dotted(()) == ""


def test_mistakes_are_counted_in_one_heading() -> None:
    assert told("image 'a'", ["x"]) == "image 'a' has 1 mistake:\n  x"
    mistakes = [Mistake(("a",), "x"), Mistake((), "y")]
    assert str(InvalidArgs("stack 's'", mistakes)) == "stack 's' has 2 mistakes:\n  a: x\n  y"


def test_without_any_known_name_none_is_suggested() -> None:
    assert nearest("hello", []) == "there is none"
