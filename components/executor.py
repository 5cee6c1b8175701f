"""kaniko's command line and the pod it runs in, as plain decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEFAULT_IMAGE = "ghcr.io/osscontainertools/kaniko:v1.28.3"
"""The maintained fork of the archived `gcr.io/kaniko-project/executor`, and drop-in for it."""

DIGEST_FILE = "/dev/termination-log"
"""Kubernetes puts this file's content into the finished container's status."""

CONTEXT_MOUNT = "/kaniko/context"
"""Below `/kaniko`, which never becomes part of an image."""

ARCHIVE = "context.tar.gz"

CREDENTIALS_MOUNT = "/kaniko/.docker/config.json"

CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETFCAP", "SETGID", "SETUID"]
"""What unpacking layers, RUN, chown, COPY --chown and su need; everything else is dropped."""


@dataclass(frozen=True)
class Build:
    """A build as kaniko is told of it, with every value known.

    Attributes:
        context: kaniko's own form, such as `dir:///workspace/my-build`.
        dockerfile: path within the context.
        destinations: all references that are pushed.
        build_args: values of the Dockerfile's ARGs.
        insecure_registries: `host:port` of registries that speak plain HTTP.
        registry_maps: registry -> the one that is asked in its place.
    """

    context: str
    dockerfile: str
    destinations: Sequence[str]
    build_args: Mapping[str, str]
    insecure_registries: Sequence[str]
    registry_maps: Mapping[str, str]


def executor_args(build: Build) -> list[str]:
    """Write the arguments of kaniko's executor, in an order that never changes.

    Args:
        build: what is built and where it goes.
    """
    return [
        f"--context={build.context}",
        f"--dockerfile={build.dockerfile}",
        *(f"--destination={destination}" for destination in build.destinations),
        *(f"--build-arg={name}={value}" for name, value in sorted(build.build_args.items())),
        *(f"--insecure-registry={registry}" for registry in sorted(build.insecure_registries)),
        *(f"--registry-map={old}={new}" for old, new in sorted(build.registry_maps.items())),
        "--log-format=text",
    ]
