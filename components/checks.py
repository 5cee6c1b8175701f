"""What the types alone can't say of arguments: paths, names, references between images."""

import re
from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

from .context import ContextError, archive
from .mistakes import Mistake, nearest
from .reference import parse, tag_problem
from .source import BuildOptions, ContextArgs, ImageSource
from .workspace import MOUNT_PATH

IMAGE_REFERENCE = "images/"
"""A build argument `images/NAME` stands for the ref of the image NAME of the same catalogue."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")


def check_name(name: str) -> list[Mistake]:
    """Check an image's name: Kubernetes objects and, by default, its repository are named so."""
    if _DNS_LABEL.fullmatch(name):
        return []
    problem = (
        f"'{name}' can't name an image; up to 52 lower-case letters, digits and '-' are allowed, "
        "with a letter or digit at both ends"
    )
    return [Mistake(("name",), problem)]


def check_source(source: ImageSource) -> list[Mistake]:
    """Check the context, the Dockerfile and the tags of an image.

    Args:
        source: arguments whose types are right already.

    Returns:
        All mistakes, with paths as the arguments have them.
    """
    mistakes = _check_context(source["context"], source.get("dockerfile", "Dockerfile"))
    for index, tag in enumerate(source.get("tags", [])):
        if problem := tag_problem(tag):
            mistakes.append(Mistake(("tags", index), problem))
    return [*mistakes, *check_options(source)]


def check_options(options: BuildOptions) -> list[Mistake]:
    """Check what one image or all images of a stack choose of how kaniko runs."""
    deadline = options.get("active_deadline_seconds", 1)
    if deadline >= 1:
        return []
    return [Mistake(("activeDeadlineSeconds",), f"must be 1 second or more, found {deadline}")]


def _check_context(context: ContextArgs, dockerfile: str) -> list[Mistake]:
    given = [kind for kind in ("directory", "workspace") if kind in context]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        return [Mistake(("context",), f"needs either directory or workspace, found {found}")]
    if "directory" in context:
        try:
            archive(Path(context["directory"]), dockerfile)
        except ContextError as error:
            return [Mistake(("context", "directory"), str(error))]
        return []
    path = PurePosixPath(context["workspace"])
    if ".." in path.parts or not path.is_relative_to(MOUNT_PATH):
        problem = f"'{path}' is not on the workspace; it must be {MOUNT_PATH} or a path below it"
        return [Mistake(("context", "workspace"), problem)]
    return []


def check_destination(destination: object) -> list[Mistake]:
    """Check a destination, where it is known already."""
    if not isinstance(destination, str):
        return []
    try:
        parse(destination)
    except ValueError as error:
        return [Mistake(("destination",), str(error))]
    return []


def referred_image(value: object) -> str | None:
    """Give the name of the image that a build argument stands for, if it does."""
    if isinstance(value, str) and value.startswith(IMAGE_REFERENCE):
        return value.removeprefix(IMAGE_REFERENCE)
    return None


def check_graph(
    images: Mapping[str, ImageSource], names: Collection[str] | None = None
) -> list[Mistake]:
    """Check what images say of each other: unknown names and cycles.

    Args:
        images: by name.
        names: all that there are, when that is more: images with other mistakes.

    Returns:
        Mistakes whose path begins with the image's name.
    """
    known = images.keys() if names is None else names
    mistakes = []
    for name, source in images.items():
        for argument, value in source.get("build_args", {}).items():
            base = referred_image(value)
            if base is not None and base not in known:
                problem = f"there is no image '{base}'; {nearest(base, known)}"
                mistakes.append(Mistake((name, "buildArgs", argument), problem))
    try:
        build_order(images)
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        problem = f"images build on each other in a circle: {' -> '.join(cycle)}"
        mistakes.append(Mistake((cycle[0], "buildArgs"), problem))
    return mistakes


def build_order(images: Mapping[str, ImageSource]) -> Iterable[str]:
    """Sort images so that each comes after those it builds on.

    Args:
        images: by name.

    Raises:
        graphlib.CycleError: when they build on each other in a circle.
    """
    # Lists, since the order of a set is another one in each run.
    bases = {
        name: [
            base
            for value in source.get("build_args", {}).values()
            if (base := referred_image(value)) and base in images
        ]
        for name, source in images.items()
    }
    return list(TopologicalSorter(bases).static_order())
