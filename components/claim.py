"""Persistent volume claims: what the workspace, the credentials and the registry are kept on."""

from collections.abc import Mapping
from enum import Enum
from typing import NotRequired

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import with_config
from typing_extensions import TypedDict

from .validation import ARGS


class AccessMode(Enum):
    """How many nodes may mount a volume, in the words of Kubernetes."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_MANY = "ReadWriteMany"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_ONLY_MANY = "ReadOnlyMany"


@with_config(ARGS)
class ClaimArgs(TypedDict):
    """A claim for a volume."""

    claim_name: NotRequired[str]
    """Name of the claim object."""

    storage_class: NotRequired[pulumi.Input[str]]
    """Storage class; the cluster's default class when absent."""

    size: NotRequired[str]
    """Requested size, a Kubernetes quantity such as `10Gi`. A class may allow growing it."""

    access_modes: NotRequired[list[AccessMode]]
    """Access modes; `[ReadWriteOnce]` when absent, which ties every user to one node."""


def claim(
    name: str,
    args: ClaimArgs,
    *,
    default_name: str,
    default_size: str,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> core.v1.PersistentVolumeClaim:
    """Register a claim.

    Args:
        name: logical name.
        args: what the caller chose.
        default_name: name of the claim when none was chosen.
        default_size: size when none was chosen.
        namespace: where it is.
        labels: on the claim.
        opts: parent and the like.
    """
    claim_name = args.get("claim_name", default_name)
    modes = args.get("access_modes", [AccessMode.READ_WRITE_ONCE])
    return core.v1.PersistentVolumeClaim(
        name,
        metadata=meta.v1.ObjectMetaArgs(name=claim_name, namespace=namespace, labels=labels),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[mode.value for mode in modes],
            storage_class_name=args.get("storage_class"),
            resources=core.v1.VolumeResourceRequirementsArgs(
                requests={"storage": args.get("size", default_size)}
            ),
        ),
        opts=opts,
    )


def claim_volume(
    name: str, claim_name: pulumi.Input[str], *, read_only: bool = False
) -> core.v1.VolumeArgs:
    """Make the volume by which a pod uses a claim.

    Args:
        name: of the volume in the pod.
        claim_name: of the claim.
        read_only: for everything in the pod.
    """
    source = core.v1.PersistentVolumeClaimVolumeSourceArgs(
        claim_name=claim_name, read_only=read_only or None
    )
    return core.v1.VolumeArgs(name=name, persistent_volume_claim=source)
