"""Registry logins: on a volume for the builds, in a Secret for those who pull."""

from typing import NotRequired

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import with_config
from typing_extensions import TypedDict

from .claim import ClaimArgs, claim, claim_volume
from .config_json import Login, auth_key, config_json
from .engine import child_options, require_engine
from .labels import labels
from .mistakes import InvalidArgs, Mistake
from .reference import host_problem
from .run_to_completion import run_to_completion
from .validation import ARGS, validate

CLAIM_NAME = "kaniko-credentials"
CONFIG_JSON = "config.json"
WRITER_IMAGE = "docker.io/library/busybox:1.37.0"

_SECRET_KEY = ".dockerconfigjson"  # noqa: S105 - a key of Kubernetes, no password
_WRITE = f"""
set -eu
umask 077
cp /login/{_SECRET_KEY} /credentials/.{CONFIG_JSON}
chmod 0400 /credentials/.{CONFIG_JSON}
mv /credentials/.{CONFIG_JSON} /credentials/{CONFIG_JSON}
"""


@with_config(ARGS)
class LoginArgs(TypedDict):
    """A login at one registry."""

    registry: pulumi.Input[str]
    """Host, and port if there is one, without a scheme: `registry.example.com:5000`."""

    username: pulumi.Input[str]
    """Name of the user."""

    password: pulumi.Input[str]
    """Password or token; kept as a secret, whether it is given as one or not."""


@with_config(ARGS)
class CredentialsSettings(ClaimArgs):
    """What a stack chooses of its credentials; `claimName` defaults to `kaniko-credentials`."""

    logins: NotRequired[list[LoginArgs]]
    """Logins at registries, at most one each."""

    writer_image: NotRequired[str]
    """Image with a shell that writes the volume; busybox by default."""


@with_config(ARGS)
class CredentialsArgs(CredentialsSettings):
    """Arguments of `Credentials`."""

    namespace: pulumi.Input[str]
    """Namespace of the claim and the Secret."""


class Credentials(pulumi.ComponentResource):
    """Docker's `config.json` on a claim, and the same logins as an image pull secret.

    Resources: a `Secret` of type `kubernetes.io/dockerconfigjson`, a `PersistentVolumeClaim`, and
    a `Job` that copies the one onto the other whenever the logins change.
    """

    claim_name: pulumi.Output[str]
    """Name of the claim, known once `config.json` is on it."""

    pull_secret: pulumi.Output[str]
    """Name of the Secret, for `imagePullSecrets` in the same namespace."""

    def __init__(
        self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the credentials.

        Args:
            name: logical name.
            args: see `CredentialsArgs`.
            opts: options of the component.

        Raises:
            InvalidArgs: with all mistakes of the arguments.
        """
        checked = validate(CredentialsArgs, args, f"credentials '{name}'")
        logins = checked.get("logins", [])
        if mistakes := check_logins(logins):
            raise InvalidArgs(f"credentials '{name}'", mistakes)
        super().__init__("kaniko:index:Credentials", name, {}, opts)
        require_engine()
        namespace = checked["namespace"]
        known: pulumi.Output[list[Login]] = pulumi.Output.all(*logins)
        content: pulumi.Output[str] = pulumi.Output.secret(known.apply(config_json))
        secret = core.v1.Secret(
            f"{name}-login",
            metadata=meta.v1.ObjectMetaArgs(
                namespace=namespace, labels=labels("credentials", name)
            ),
            type="kubernetes.io/dockerconfigjson",
            string_data={_SECRET_KEY: content},
            opts=child_options(self, opts),
        )
        volume = claim(
            f"{name}-claim",
            checked,
            default_name=CLAIM_NAME,
            default_size="1Gi",
            namespace=namespace,
            labels=labels("credentials", name),
            opts=child_options(self, opts),
        )
        writer = run_to_completion(
            f"{name}-writer",
            namespace=namespace,
            labels=labels("credentials", name),
            # New logins make a new Secret, so its identity says as much as a hash of them would,
            # and nobody can guess a password from it.
            trigger=secret.metadata.uid,
            pod=_writer_pod(
                checked.get("writer_image", WRITER_IMAGE),
                secret.metadata.name,
                volume.metadata.name,
            ),
            deadline=600,
            opts=child_options(self, opts),
        )
        self.claim_name = pulumi.Output.all(volume.metadata.name, writer.metadata.uid).apply(
            lambda known: str(known[0])
        )
        self.pull_secret = secret.metadata.name
        self.register_outputs({"claimName": self.claim_name, "pullSecret": self.pull_secret})


def check_logins(logins: list[LoginArgs]) -> list[Mistake]:
    """Find malformed registries and two logins for one of them, where they are known already."""
    mistakes = []
    seen: dict[str, int] = {}
    for index, login in enumerate(logins):
        registry = login["registry"]
        if not isinstance(registry, str):
            continue
        path = ("logins", index, "registry")
        if problem := host_problem(registry):
            mistakes.append(Mistake(path, problem))
        key = auth_key(registry)
        if key in seen:
            problem = f"logins[{seen[key]}] is for '{registry}' too; keep one"
            mistakes.append(Mistake(path, problem))
        seen.setdefault(key, index)
    return mistakes


def _writer_pod(
    image: str, secret_name: pulumi.Input[str], claim_name: pulumi.Input[str]
) -> core.v1.PodSpecArgs:
    return core.v1.PodSpecArgs(
        restart_policy="Never",
        automount_service_account_token=False,
        containers=[
            core.v1.ContainerArgs(
                name="writer",
                image=image,
                command=["sh", "-c", _WRITE],
                volume_mounts=[
                    core.v1.VolumeMountArgs(name="login", mount_path="/login", read_only=True),
                    core.v1.VolumeMountArgs(name=CLAIM_NAME, mount_path="/credentials"),
                ],
                termination_message_policy="FallbackToLogsOnError",
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"], add=["DAC_OVERRIDE"]),
                    seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
                ),
            )
        ],
        volumes=[
            core.v1.VolumeArgs(
                name="login", secret=core.v1.SecretVolumeSourceArgs(secret_name=secret_name)
            ),
            claim_volume(CLAIM_NAME, claim_name),
        ],
    )
