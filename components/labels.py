"""Labels and annotations that our objects carry, so that they can be found without any state."""

import pulumi

MANAGED_BY = "pulumi-kaniko"
BUILD = "build"
"""The component label of a build's Job and pods."""

COMPONENT = "app.kubernetes.io/component"
INSTANCE = "app.kubernetes.io/instance"
PART_OF = "app.kubernetes.io/part-of"
MANAGED = "app.kubernetes.io/managed-by"

BUILD_KEY = f"{MANAGED_BY}/build-key"
DESTINATION = f"{MANAGED_BY}/destination"


def labels(component: str, instance: str) -> dict[str, str]:
    """Make the labels of one object.

    Args:
        component: what it is for: `build`, `registry`, `loader` or `credentials`.
        instance: which one, such as the image's name.

    Returns:
        Labels from the common set of Kubernetes; `part-of` is the Pulumi stack.
    """
    return {
        COMPONENT: component,
        INSTANCE: instance,
        PART_OF: f"{pulumi.get_project()}.{pulumi.get_stack()}",
        MANAGED: MANAGED_BY,
    }


def selector(component: str, part_of: str | None = None) -> str:
    """Write a label selector for all objects of one kind.

    Args:
        component: as for `labels`.
        part_of: only those of this stack, as `PROJECT.STACK`; any stack by default.
    """
    chosen = {MANAGED: MANAGED_BY, COMPONENT: component} | ({PART_OF: part_of} if part_of else {})
    return ",".join(f"{key}={value}" for key, value in chosen.items())
