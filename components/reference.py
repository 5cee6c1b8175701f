"""Image references such as `registry.example.com:5000/team/app:1.2`, and what may stand in one.

The grammar is that of https://github.com/distribution/reference.
"""

import re
from dataclasses import dataclass

DOCKER_HUB = "index.docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """Where an image is pushed to or pulled from.

    Attributes:
        host: the registry as `host` or `host:port`; Docker Hub's when none is written.
        path: the repository within it.
        tag: `latest` when none is written.
    """

    host: str
    path: str
    tag: str = "latest"

    @property
    def name(self) -> str:
        """The repository with its registry, without a tag."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Read a destination.

    Args:
        text: `[host[:port]/]path[:tag]`; a digest is refused, since a push makes its own.

    Raises:
        ValueError: what is wrong and what is allowed.
    """
    if "://" in text:
        raise ValueError(f"'{text}' has a scheme; write it without '{text.split('://')[0]}://'")
    if "@" in text:
        raise ValueError(f"'{text}' has a digest, which only the push itself can make; give a tag")
    host, slash, rest = text.partition("/")
    if not slash or not (set(host) & {".", ":"} or host == "localhost"):
        host, rest = DOCKER_HUB, text
    path, colon, tag = rest.partition(":")
    problem = host_problem(host) or path_problem(path) or (tag_problem(tag) if colon else None)
    if problem:
        raise ValueError(f"'{text}' is no image reference: {problem}")
    return Reference(host, path, tag or "latest")


def host_problem(host: str) -> str | None:
    """Say what is wrong with a registry's `host[:port]`, if anything is."""
    if not _HOST.fullmatch(host):
        return f"'{host}' is no registry host such as registry.example.com:5000"
    if ":" in host and not 0 < int(host.rpartition(":")[2]) < 65536:
        return f"the port of '{host}' is not between 1 and 65535"
    return None


def path_problem(path: str) -> str | None:
    """Say what is wrong with a repository's path, if anything is."""
    if _PATH.fullmatch(path):
        return None
    return (
        f"'{path}' is no repository; lower-case letters, digits and single '.', '_', '-' "
        "between them are allowed, parts are separated by '/'"
    )


def tag_problem(tag: str) -> str | None:
    """Say what is wrong with a tag, if anything is."""
    if _TAG.fullmatch(tag):
        return None
    return f"'{tag}' is no tag; up to 128 letters, digits, '_', '.' and '-' are allowed"
