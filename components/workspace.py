"""The workspace: a volume that holds build contexts, filled beforehand by another container."""

from typing import NotRequired

import pulumi
from pulumi_kubernetes import core
from pydantic import with_config
from typing_extensions import TypedDict

from .build_key import fingerprint
from .claim import ClaimArgs, claim, claim_volume
from .engine import child_options, require_engine
from .labels import labels
from .run_to_completion import run_to_completion
from .validation import ARGS, validate

CLAIM_NAME = "kaniko-workspace"
MOUNT_PATH = "/workspace"


@with_config(ARGS)
class LoaderArgs(TypedDict):
    """A container that puts build contexts onto the workspace before the builds start."""

    image: str
    """Image of the container."""

    command: NotRequired[list[str]]
    """What it runs; the image's own entrypoint when absent."""

    args: NotRequired[list[str]]
    """Arguments of the command."""

    environment: NotRequired[dict[str, str]]
    """Environment variables. They are part of the Job and no place for a secret."""


@with_config(ARGS)
class WorkspaceSettings(ClaimArgs):
    """What a stack chooses of its workspace; `claimName` defaults to `kaniko-workspace`."""

    loader: NotRequired[LoaderArgs]
    """Fills the workspace, mounted at `/workspace`. Without it somebody else does."""

    revision: NotRequired[str]
    """Any text. Another one says that the content is new: the loader runs again, and every image
    with a context on this workspace is rebuilt."""


@with_config(ARGS)
class WorkspaceArgs(WorkspaceSettings):
    """Arguments of `Workspace`."""

    namespace: pulumi.Input[str]
    """Namespace of the claim and the loader."""


class Workspace(pulumi.ComponentResource):
    """A claim for build contexts and, with a loader, the Job that fills it.

    Resources: a `PersistentVolumeClaim`; a `Job` when a loader is given.
    """

    claim_name: pulumi.Output[str]
    """Name of the claim, known once the loader is done: who uses it waits for the content."""

    path: pulumi.Output[str]
    """Where the claim is mounted: `/workspace`."""

    revision: pulumi.Output[str]
    """A text that changes with the loader and with `revision`; part of the build keys."""

    def __init__(
        self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the workspace.

        Args:
            name: logical name.
            args: see `WorkspaceArgs`.
            opts: options of the component.

        Raises:
            InvalidArgs: with all mistakes of the arguments.
        """
        checked = validate(WorkspaceArgs, args, f"workspace '{name}'")
        super().__init__("kaniko:index:Workspace", name, {}, opts)
        require_engine()
        namespace = checked["namespace"]
        volume = claim(
            f"{name}-claim",
            checked,
            default_name=CLAIM_NAME,
            default_size="10Gi",
            namespace=namespace,
            labels=labels("workspace", name),
            opts=child_options(self, opts),
        )
        self.claim_name = volume.metadata.name
        self.path = pulumi.Output.from_input(MOUNT_PATH)
        content = fingerprint([checked.get("loader"), checked.get("revision")])
        self.revision = pulumi.Output.from_input(content)
        if loader := checked.get("loader"):
            job = run_to_completion(
                f"{name}-loader",
                namespace=namespace,
                labels=labels("loader", name),
                trigger=content,
                pod=_loader_pod(loader, volume.metadata.name),
                deadline=3600,
                opts=child_options(self, opts),
            )
            self.claim_name = pulumi.Output.all(volume.metadata.name, job.metadata.uid).apply(
                lambda known: str(known[0])
            )
        self.register_outputs(
            {"claimName": self.claim_name, "path": self.path, "revision": self.revision}
        )


def _loader_pod(loader: LoaderArgs, claim_name: pulumi.Input[str]) -> core.v1.PodSpecArgs:
    return core.v1.PodSpecArgs(
        restart_policy="Never",
        automount_service_account_token=False,
        containers=[
            core.v1.ContainerArgs(
                name="loader",
                image=loader["image"],
                command=loader.get("command"),
                args=loader.get("args"),
                env=[
                    core.v1.EnvVarArgs(name=key, value=value)
                    for key, value in sorted(loader.get("environment", {}).items())
                ],
                volume_mounts=[core.v1.VolumeMountArgs(name=CLAIM_NAME, mount_path=MOUNT_PATH)],
                termination_message_policy="FallbackToLogsOnError",
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
                ),
            )
        ],
        volumes=[claim_volume(CLAIM_NAME, claim_name)],
    )
