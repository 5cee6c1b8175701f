"""The oldest Pulumi engine that these components are right on."""

import pulumi

OLDEST_ENGINE = "3.260.0"
"""The oldest version that was tested. One without `replacementTrigger` drops it silently, and no
image would ever be built again."""


def require_engine() -> None:
    """Refuse an engine that is too old.

    Raises:
        Exception: the engine's own message, with both versions.
    """
    pulumi.require_pulumi_version(f">={OLDEST_ENGINE}")


def child_options(
    parent: pulumi.Resource, opts: pulumi.ResourceOptions | None, **more: object
) -> pulumi.ResourceOptions:
    """Make the options of a component's child.

    Providers, protect, aliases and transforms come through the parent; `depends_on` does not.

    Args:
        parent: the component.
        opts: what the component's caller gave.
        more: further options of this child.
    """
    inherited = pulumi.ResourceOptions(parent=parent, depends_on=opts.depends_on if opts else None)
    return pulumi.ResourceOptions.merge(inherited, pulumi.ResourceOptions(**more))  # type: ignore[arg-type]
