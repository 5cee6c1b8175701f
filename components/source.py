"""What is built and how: the arguments that `Image` and the catalogue have in common."""

from typing import NotRequired

import pulumi
from pydantic import with_config
from typing_extensions import TypedDict

from .validation import ARGS


@with_config(ARGS)
class ContextArgs(TypedDict):
    """Where a build's files come from: exactly one of these."""

    directory: NotRequired[str]
    """A folder beside the program. It travels in a ConfigMap, so it is limited to 1 MiB
    compressed; `.dockerignore` is honoured."""

    workspace: NotRequired[str]
    """A path on the workspace volume, such as `/workspace/my-build`."""


@with_config(ARGS)
class ResourcesArgs(TypedDict):
    """Compute resources of a build's container, as Kubernetes quantities."""

    requests: NotRequired[dict[str, str]]
    """What is set aside for it, such as `{cpu: 500m, memory: 1Gi}`."""

    limits: NotRequired[dict[str, str]]
    """What it may use at most. Beyond its memory limit a build is killed."""


@with_config(ARGS)
class BuildOptions(TypedDict):
    """How kaniko runs: what one image or all images of a stack may choose."""

    executor_image: NotRequired[str]
    """Image of kaniko's executor; the maintained fork by default."""

    insecure_registries: NotRequired[list[pulumi.Input[str]]]
    """Registries, as `host:port`, that are pulled from and pushed to over plain HTTP."""

    registry_maps: NotRequired[dict[str, str]]
    """Registries that are asked in the place of others when a base image is pulled:
    `{index.docker.io: mirror.example.com}`."""

    resources: NotRequired[ResourcesArgs]
    """Compute resources; 250m CPU and 512Mi of memory are requested by default, without limits."""

    active_deadline_seconds: NotRequired[int]
    """Seconds after which a build fails, all attempts and the wait for a node included; 3600."""


@with_config(ARGS)
class ImageSource(BuildOptions):
    """What an image is built from."""

    context: ContextArgs
    """The files that the Dockerfile may copy."""

    dockerfile: NotRequired[str]
    """Path of the Dockerfile within the context; `Dockerfile`."""

    build_args: NotRequired[dict[str, pulumi.Input[str]]]
    """Values of the Dockerfile's ARGs. They are readable in the image's history, so they are no
    place for a secret."""

    tags: NotRequired[list[str]]
    """Further tags that are pushed beside the destination's own."""
