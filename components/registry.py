"""A private registry in the cluster: distribution v3 on a claim, behind a login."""

import secrets
from typing import NotRequired

import bcrypt
import pulumi
from pulumi_kubernetes import apps, core, meta
from pydantic import with_config

from .claim import ClaimArgs, claim, claim_volume
from .credentials import LoginArgs
from .engine import child_options, require_engine
from .labels import labels
from .validation import ARGS, validate

SERVICE_NAME = "kaniko-registry"
IMAGE = "docker.io/library/registry:3.1.2"
PORT = 5000
USERNAME = "kaniko"

_UID = 1000
_DATA = "/var/lib/registry"
_AUTH = "/etc/registry-auth"


@with_config(ARGS)
class RegistrySettings(ClaimArgs):
    """What a stack chooses of its registry; `claimName` defaults to `kaniko-registry`."""

    image: NotRequired[str]
    """Image of distribution v3."""

    service_name: NotRequired[str]
    """Name of the Service, the first part of the registry's address; `kaniko-registry`."""

    cluster_domain: NotRequired[str]
    """DNS domain of the cluster; `cluster.local`."""


@with_config(ARGS)
class RegistryArgs(RegistrySettings):
    """Arguments of `Registry`."""

    namespace: pulumi.Input[str]
    """Namespace of the registry."""


class Registry(pulumi.ComponentResource):
    """A registry with one login, generated on the first run and kept.

    It speaks plain HTTP inside the cluster.

    Resources: a `Deployment` of one pod, a `Service`, a `PersistentVolumeClaim`, a `Secret` with
    the hash of the password, and two `Stash`es that keep password and hash.
    """

    host: pulumi.Output[str]
    """`SERVICE.NAMESPACE.svc.DOMAIN:5000`, known once the registry answers."""

    username: pulumi.Output[str]
    """Name of its one user."""

    password: pulumi.Output[str]
    """The user's password, a secret."""

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the registry.

        Args:
            name: logical name.
            args: see `RegistryArgs`.
            opts: options of the component.

        Raises:
            InvalidArgs: with all mistakes of the arguments.
        """
        checked = validate(RegistryArgs, args, f"registry '{name}'")
        super().__init__("kaniko:index:Registry", name, {}, opts)
        require_engine()
        namespace = checked["namespace"]
        own = labels("registry", name)
        volume = claim(
            f"{name}-claim",
            checked,
            default_name=SERVICE_NAME,
            default_size="20Gi",
            namespace=namespace,
            labels=own,
            opts=child_options(self, opts),
        )
        self.username = pulumi.Output.from_input(USERNAME)
        self.password = self._password(name, opts)
        login = core.v1.Secret(
            f"{name}-htpasswd",
            metadata=meta.v1.ObjectMetaArgs(namespace=namespace, labels=own),
            string_data={"htpasswd": self._htpasswd(name, opts)},
            opts=child_options(self, opts),
        )
        deployment = apps.v1.Deployment(
            name,
            metadata=meta.v1.ObjectMetaArgs(namespace=namespace, labels=own),
            spec=apps.v1.DeploymentSpecArgs(
                # The volume may be mounted by one pod alone, so the old one goes first.
                strategy=apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=meta.v1.LabelSelectorArgs(match_labels=own),
                template=core.v1.PodTemplateSpecArgs(
                    metadata=meta.v1.ObjectMetaArgs(labels=own),
                    spec=_pod(
                        checked.get("image", IMAGE), login.metadata.name, volume.metadata.name
                    ),
                ),
            ),
            opts=child_options(self, opts),
        )
        service_name = checked.get("service_name", SERVICE_NAME)
        service = core.v1.Service(
            f"{name}-service",
            metadata=meta.v1.ObjectMetaArgs(name=service_name, namespace=namespace, labels=own),
            spec=core.v1.ServiceSpecArgs(
                selector=own,
                ports=[core.v1.ServicePortArgs(name="registry", port=PORT, target_port=PORT)],
            ),
            opts=child_options(self, opts),
        )
        domain = checked.get("cluster_domain", "cluster.local")
        self.host = pulumi.Output.all(
            service.metadata.name, service.metadata.namespace, deployment.metadata.uid
        ).apply(lambda known: f"{known[0]}.{known[1]}.svc.{domain}:{PORT}")
        self.register_outputs(
            {"host": self.host, "username": self.username, "password": self.password}
        )

    @property
    def login(self) -> LoginArgs:
        """The login as `Credentials` takes it."""
        return {"registry": self.host, "username": self.username, "password": self.password}

    def _password(self, name: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
        kept = pulumi.Stash(
            f"{name}-password",
            input=pulumi.Output.secret(secrets.token_urlsafe(24)),
            opts=child_options(self, opts, ignore_changes=["input"]),
        )
        return pulumi.Output.secret(kept.output)

    def _htpasswd(self, name: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
        # A hash has a new salt each time it is made: the first one is kept.
        kept = pulumi.Stash(
            f"{name}-htpasswd",
            input=self.password.apply(lambda password: htpasswd(USERNAME, password)),
            opts=child_options(
                self, opts, ignore_changes=["input"], replacement_trigger=self.password
            ),
        )
        return pulumi.Output.secret(kept.output)


def htpasswd(username: str, password: str) -> str:
    """Write a line of the file that distribution checks logins against.

    Args:
        username: without a colon.
        password: at most 72 bytes, which is all that bcrypt looks at.
    """
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=10))
    return f"{username}:{hashed.decode()}\n"


def _pod(
    image: str, secret_name: pulumi.Input[str], claim_name: pulumi.Input[str]
) -> core.v1.PodSpecArgs:
    # `/` answers without a login, `/v2/` doesn't.
    answers = core.v1.HTTPGetActionArgs(path="/", port=PORT)
    environment = {
        "OTEL_TRACES_EXPORTER": "none",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "kaniko",
        "REGISTRY_AUTH_HTPASSWD_PATH": f"{_AUTH}/htpasswd",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
    }
    return core.v1.PodSpecArgs(
        automount_service_account_token=False,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=_UID,
            run_as_group=_UID,
            fs_group=_UID,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[
            core.v1.ContainerArgs(
                name="registry",
                image=image,
                env=[core.v1.EnvVarArgs(name=key, value=environment[key]) for key in environment],
                ports=[core.v1.ContainerPortArgs(name="registry", container_port=PORT)],
                readiness_probe=core.v1.ProbeArgs(http_get=answers, period_seconds=2),
                liveness_probe=core.v1.ProbeArgs(http_get=answers, initial_delay_seconds=10),
                resources=core.v1.ResourceRequirementsArgs(
                    requests={"cpu": "50m", "memory": "64Mi"}
                ),
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
                ),
                volume_mounts=[
                    core.v1.VolumeMountArgs(name="data", mount_path=_DATA),
                    core.v1.VolumeMountArgs(name="auth", mount_path=_AUTH, read_only=True),
                ],
            )
        ],
        volumes=[
            claim_volume("data", claim_name),
            core.v1.VolumeArgs(
                name="auth", secret=core.v1.SecretVolumeSourceArgs(secret_name=secret_name)
            ),
        ],
    )
