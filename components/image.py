"""An image: one kaniko Job that builds it and pushes it, and the digest that came of it."""

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import with_config
from typing_extensions import TypedDict

from .api import Access
from .build_key import Parts, build_key, fingerprint
from .build_pod import Mount, archive_mount, build_pod, credentials_mount, workspace_mount
from .checks import check_destination, check_name, check_source
from .cluster import cluster
from .context import archive
from .docker_run import docker_run_command, docker_run_command_with_login
from .engine import child_options, require_engine
from .executor import ARCHIVE, CONTEXT_MOUNT, DEFAULT_IMAGE, DIGEST_FILE, Build, executor_args
from .labels import BUILD, BUILD_KEY, DESTINATION, MANAGED_BY, PART_OF, labels
from .mistakes import InvalidArgs, Mistake
from .reference import Reference, parse
from .run_to_completion import run_to_completion
from .source import ImageSource
from .validation import ARGS, validate
from .watch import watch
from .workspace import MOUNT_PATH

_PROGRAM_START = datetime.now(UTC)


@with_config(ARGS)
class WorkspaceVolumeArgs(TypedDict):
    """The workspace that a build's context lies on: outputs of `Workspace`, or another claim."""

    claim_name: pulumi.Input[str]
    """Name of the claim."""

    revision: NotRequired[pulumi.Input[str]]
    """A text that changes when the content does, and rebuilds the image."""

    whole: NotRequired[bool]
    """Mount the whole claim at `/workspace`, not only the folder of this build. Everything on it
    is then readable by the Dockerfile's RUN steps."""


@with_config(ARGS)
class CredentialsVolumeArgs(TypedDict):
    """The registry logins of a build: an output of `Credentials`, or another claim."""

    claim_name: pulumi.Input[str]
    """Name of a claim with a `config.json` on it."""


@with_config(ARGS)
class ImageArgs(ImageSource):
    """Arguments of `Image`."""

    name: NotRequired[str]
    """Name of the image in labels, messages and `NAME.tar`; the logical name when absent."""

    namespace: pulumi.Input[str]
    """Namespace of the build."""

    destination: pulumi.Input[str]
    """Where the image is pushed: `[host[:port]/]path[:tag]`, in any registry."""

    workspace: NotRequired[WorkspaceVolumeArgs]
    """Needed by a `workspace` context, and only by it."""

    credentials: NotRequired[CredentialsVolumeArgs]
    """Logins for the registries; without it only anonymous ones can be used."""

    kubeconfig: NotRequired[str]
    """Kubeconfig, as a path or as its content, of the cluster that the Kubernetes provider uses;
    the ambient one by default. The digest is read with it."""

    kube_context: NotRequired[str]
    """Context of the kubeconfig; its current one by default."""


class Image(pulumi.ComponentResource):
    """An image that kaniko builds in the cluster, and builds again when its build key changes.

    Resources: a `Job`; a `ConfigMap` with the archive of a `directory` context; a `Stash` that
    keeps the digest.
    """

    ref: pulumi.Output[str]
    """The image by digest, `host/path@sha256:...`: what a Deployment should run."""

    digest: pulumi.Output[str]
    """Digest of the pushed image, `sha256:...`."""

    tags: pulumi.Output[list[str]]
    """All references that the image was pushed as, the destination first."""

    build_key: pulumi.Output[str]
    """A digest of all that can change the image; another one means another build."""

    state_command: pulumi.Output[str]
    """Command that prints the conditions of the build's Job that hold."""

    docker_run_command: pulumi.Output[str]
    """The same build on a laptop, without a login, to a tar file."""

    docker_run_command_with_login: pulumi.Output[str]
    """The same build on a laptop, with the login of `docker login`, pushed."""

    def __init__(
        self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the image.

        Args:
            name: logical name: lower-case letters, digits and '-', 52 at most.
            args: see `ImageArgs`.
            opts: options of the component.

        Raises:
            InvalidArgs: with all mistakes of the arguments.
        """
        checked = _checked(name, args)
        super().__init__("kaniko:index:Image", name, {}, opts)
        require_engine()
        self._name, self._image, self._opts = name, checked.get("name", name), opts
        context, context_part, mounts = self._context(checked)
        if credentials := checked.get("credentials"):
            mounts.append(credentials_mount(credentials["claim_name"]))
        executor_image = checked.get("executor_image", DEFAULT_IMAGE)
        build = _resolved_build(checked, context)
        dockerfile_part = _dockerfile_part(checked)
        parts = pulumi.Output.all(build=build, context=context_part).apply(
            lambda known: _parts(known["build"], known["context"], dockerfile_part, executor_image)
        )
        self.build_key = parts.apply(build_key)
        self.tags = build.apply(lambda known: list(known.destinations))
        job = run_to_completion(
            name,
            namespace=checked["namespace"],
            labels=labels(BUILD, self._image),
            annotations=_annotations(parts, self.build_key, self.tags),
            trigger=self.build_key,
            pod=build_pod(
                executor_image,
                build.apply(lambda known: [*executor_args(known), f"--digest-file={DIGEST_FILE}"]),
                mounts,
                checked.get("resources"),
            ),
            deadline=checked.get("active_deadline_seconds", 3600),
            opts=child_options(self, opts),
        )
        access = Access(checked.get("kubeconfig"), checked.get("kube_context"))
        self._watch(access, checked["namespace"])
        self.digest = self._digest(access, job)
        self.ref = pulumi.Output.all(self.tags, self.digest).apply(
            lambda known: f"{parse(known[0][0]).name}@{known[1]}"
        )
        self.state_command = job.metadata.apply(
            lambda made: (
                f"kubectl -n {made.namespace} get job {made.name} "
                """-o jsonpath='{.status.conditions[?(@.status=="True")].type}'"""
            )
        )
        folder = checked["context"].get("directory", PurePosixPath(context).name)
        self.docker_run_command = build.apply(
            lambda known: docker_run_command(self._image, executor_image, known, folder)
        )
        self.docker_run_command_with_login = build.apply(
            lambda known: docker_run_command_with_login(executor_image, known, folder)
        )
        self.register_outputs(
            {
                "ref": self.ref,
                "digest": self.digest,
                "tags": self.tags,
                "buildKey": self.build_key,
                "stateCommand": self.state_command,
                "dockerRunCommand": self.docker_run_command,
                "dockerRunCommandWithLogin": self.docker_run_command_with_login,
            }
        )

    def _context(self, args: ImageArgs) -> tuple[str, pulumi.Input[Any], list[Mount]]:
        """Say where kaniko finds the context, what of it is in the build key, and its mounts."""
        given = args["context"]
        if "directory" in given:
            packed = archive(Path(given["directory"]), args.get("dockerfile", "Dockerfile"))
            config_map = core.v1.ConfigMap(
                f"{self._name}-context",
                metadata=meta.v1.ObjectMetaArgs(
                    namespace=args["namespace"], labels=labels(BUILD, self._image)
                ),
                binary_data={ARCHIVE: base64.b64encode(packed.data).decode()},
                immutable=True,
                # Another machine's compression may give other bytes for the same files.
                opts=child_options(
                    self,
                    self._opts,
                    ignore_changes=["binaryData"],
                    replacement_trigger=packed.sha256,
                ),
            )
            path = f"tar://{CONTEXT_MOUNT}/{ARCHIVE}"
            return path, packed.sha256, [archive_mount(config_map.metadata.name)]
        workspace, path = args["workspace"], given["workspace"]
        sub_path = "/".join(PurePosixPath(path).relative_to(MOUNT_PATH).parts)
        whole = workspace.get("whole", False)
        mount = workspace_mount(
            workspace["claim_name"], MOUNT_PATH if whole else path, "" if whole else sub_path
        )
        part = pulumi.Output.all(path, workspace.get("revision"))
        return f"dir://{path}", part, [mount]

    def _watch(self, access: Access, namespace: pulumi.Input[str]) -> None:
        if not pulumi.runtime.is_dry_run():
            part_of = labels(BUILD, self._image)[PART_OF]
            pulumi.Output.from_input(namespace).apply(
                lambda known: watch(access).add(known, self._image, part_of, self)
            )

    def _digest(self, access: Access, job: Any) -> pulumi.Output[str]:
        # Read when the Job is new and kept from then on: pods don't live as long as images.
        read = job.metadata.apply(lambda made: asyncio.to_thread(self._read_digest, access, made))
        kept = pulumi.Stash(
            f"{self._name}-digest",
            input=read,
            opts=child_options(
                self,
                self._opts,
                ignore_changes=["input"],
                replacement_trigger=job.metadata.uid,
            ),
        )
        return pulumi.Output.all(kept.output, job.metadata).apply(
            lambda known: known_digest(known[0], self._image, known[1])
        )

    def _read_digest(self, access: Access, job: Any) -> str:
        if pulumi.runtime.is_dry_run():
            return ""
        reader = cluster(access)
        digest = reader.digest(job.namespace, job.uid)
        if datetime.fromisoformat(job.creation_timestamp) < _PROGRAM_START:
            for stray in reader.strays(job.namespace, job.labels, job.uid):
                pulumi.log.warn(
                    f"image '{self._image}': Job {stray} is left over from an `up` that was "
                    f"killed; remove it with: kubectl -n {job.namespace} delete job {stray}"
                )
        return digest


def _checked(name: str, args: ImageArgs) -> ImageArgs:
    checked = validate(ImageArgs, args, f"image '{name}'")
    mistakes = [
        *check_name(checked.get("name", name)),
        *check_source(checked),
        *check_destination(checked["destination"]),
        *check_workspace(checked),
    ]
    if mistakes:
        raise InvalidArgs(f"image '{name}'", mistakes)
    return checked


def check_workspace(args: ImageArgs) -> list[Mistake]:
    """Check that a workspace is given exactly when the context lies on one."""
    needed, given = "workspace" in args["context"], "workspace" in args
    if needed and not given:
        problem = "is required, since the context is on a workspace; give its claimName"
        return [Mistake(("workspace",), problem)]
    if given and not needed:
        return [Mistake(("workspace",), "is not used, since the context is no workspace path")]
    return []


def _resolved_build(args: ImageArgs, context: str) -> pulumi.Output[Build]:
    tags = args.get("tags", [])
    return pulumi.Output.all(
        destination=args["destination"],
        build_args=args.get("build_args", {}),
        insecure_registries=args.get("insecure_registries", []),
    ).apply(
        lambda known: Build(
            context=context,
            dockerfile=args.get("dockerfile", "Dockerfile"),
            destinations=_destinations(parse(known["destination"]), tags),
            build_args=known["build_args"],
            insecure_registries=known["insecure_registries"],
            registry_maps=args.get("registry_maps", {}),
        )
    )


def _destinations(destination: Reference, tags: list[str]) -> list[str]:
    first = str(destination)
    more = (f"{destination.name}:{tag}" for tag in tags)
    return list(dict.fromkeys([first, *more]))


def _dockerfile_part(args: ImageArgs) -> list[str]:
    # Its content is in the context's part too; here it says that it is the Dockerfile that changed.
    path = args.get("dockerfile", "Dockerfile")
    directory = args["context"].get("directory")
    content = Path(directory, path).read_text(errors="replace") if directory else ""
    return [path, fingerprint(content)]


def _parts(build: Build, context: object, dockerfile: object, executor_image: str) -> Parts:
    return {
        "context": context,
        "dockerfile": dockerfile,
        "build-args": build.build_args,
        "registry-maps": build.registry_maps,
        "destinations": build.destinations,
        "executor": executor_image,
    }


def _annotations(
    parts: pulumi.Output[Parts], key: pulumi.Output[str], tags: pulumi.Output[list[str]]
) -> dict[str, pulumi.Output[str]]:
    # A preview shows which of them changed, and so why an image is built again.
    shown = ("context", "dockerfile", "build-args", "registry-maps", "executor")
    return {
        BUILD_KEY: key,
        DESTINATION: tags.apply(lambda known: known[0]),
        **{
            f"{MANAGED_BY}/{part}": parts.apply(
                lambda known, part=part: fingerprint(known[part])  # type: ignore[misc]
            )
            for part in shown
        },
    }


def known_digest(digest: str, name: str, job: Any) -> str:
    """Refuse a digest that was never read, so that no ref is ever made without one.

    Args:
        digest: what was kept.
        name: of the image.
        job: metadata of its Job.

    Raises:
        pulumi.RunError: with the command that builds the image again.
    """
    if digest or pulumi.runtime.is_dry_run():
        return digest
    made, namespace = job["name"], job["namespace"]
    raise pulumi.RunError(
        f"image '{name}': the pod of Job {made} was gone before its digest could be read, or "
        "the kubeconfig is of another cluster than the Kubernetes provider's (see `kubeconfig` "
        "and `kubeContext`). To build it again: "
        f"kubectl -n {namespace} delete job {made}; pulumi refresh; pulumi up"
    )
