"""The pod that a build runs in."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core

from .claim import claim_volume
from .credentials import CLAIM_NAME as CREDENTIALS_VOLUME
from .credentials import CONFIG_JSON
from .executor import CAPABILITIES, CONTEXT_MOUNT, CREDENTIALS_MOUNT, DIGEST_FILE
from .source import ResourcesArgs
from .workspace import CLAIM_NAME as WORKSPACE_VOLUME

DEFAULT_REQUESTS = {"cpu": "250m", "memory": "512Mi"}


@dataclass(frozen=True)
class Mount:
    """A volume and the one place where it is mounted, read-only."""

    volume: core.v1.VolumeArgs
    mount: core.v1.VolumeMountArgs


def archive_mount(config_map: pulumi.Input[str]) -> Mount:
    """Mount the archive of a directory context.

    Args:
        config_map: name of the ConfigMap that holds it.
    """
    return Mount(
        core.v1.VolumeArgs(
            name="context", config_map=core.v1.ConfigMapVolumeSourceArgs(name=config_map)
        ),
        core.v1.VolumeMountArgs(name="context", mount_path=CONTEXT_MOUNT, read_only=True),
    )


def workspace_mount(claim_name: pulumi.Input[str], mount_path: str, sub_path: str) -> Mount:
    """Mount a folder of the workspace, or all of it.

    A build's RUN steps can read whatever is mounted, so only its own folder is by default.

    Args:
        claim_name: of the workspace.
        mount_path: where it appears in the pod.
        sub_path: the folder on the volume; empty for all of it.
    """
    return Mount(
        claim_volume(WORKSPACE_VOLUME, claim_name, read_only=True),
        core.v1.VolumeMountArgs(
            name=WORKSPACE_VOLUME, mount_path=mount_path, sub_path=sub_path or None, read_only=True
        ),
    )


def credentials_mount(claim_name: pulumi.Input[str]) -> Mount:
    """Mount `config.json` of the credentials volume where kaniko looks for it.

    Args:
        claim_name: of the credentials.
    """
    return Mount(
        claim_volume(CREDENTIALS_VOLUME, claim_name, read_only=True),
        core.v1.VolumeMountArgs(
            name=CREDENTIALS_VOLUME,
            mount_path=CREDENTIALS_MOUNT,
            sub_path=CONFIG_JSON,
            read_only=True,
        ),
    )


def build_pod(
    image: str,
    args: pulumi.Input[list[str]],
    mounts: list[Mount],
    resources: ResourcesArgs | None,
) -> core.v1.PodSpecArgs:
    """Make the pod of a build: root without privileges, and no token of the cluster.

    Args:
        image: of kaniko's executor.
        args: its arguments.
        mounts: context and credentials.
        resources: what the caller chose, if anything.
    """
    chosen = resources if resources is not None else {}
    return core.v1.PodSpecArgs(
        restart_policy="Never",
        automount_service_account_token=False,
        security_context=core.v1.PodSecurityContextArgs(
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault")
        ),
        containers=[
            core.v1.ContainerArgs(
                name="kaniko",
                image=image,
                args=args,
                volume_mounts=[mount.mount for mount in mounts],
                resources=core.v1.ResourceRequirementsArgs(
                    requests=chosen.get("requests", DEFAULT_REQUESTS), limits=chosen.get("limits")
                ),
                termination_message_path=DIGEST_FILE,
                # kaniko's last lines become Pulumi's own error.
                termination_message_policy="FallbackToLogsOnError",
                security_context=core.v1.SecurityContextArgs(
                    run_as_user=0,
                    allow_privilege_escalation=False,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"], add=CAPABILITIES),
                ),
            )
        ],
        volumes=[mount.volume for mount in mounts],
    )
