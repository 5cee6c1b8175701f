"""The image factory: workspace, credentials, registry and images from one configuration."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, NotRequired, cast

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import with_config

from .checks import (
    build_order,
    check_destination,
    check_graph,
    check_name,
    check_options,
    check_source,
    referred_image,
)
from .claim import ClaimArgs
from .credentials import Credentials, CredentialsSettings, check_logins
from .engine import child_options, require_engine
from .image import Image, ImageArgs
from .labels import labels
from .mistakes import InvalidArgs, Mistake
from .registry import Registry, RegistrySettings
from .source import BuildOptions, ImageSource
from .validation import ARGS, validate
from .workspace import Workspace, WorkspaceSettings

SHARED = (*BuildOptions.__annotations__, "kubeconfig", "kube_context")
"""What each image takes from the factory unless it says something else itself."""

DEFAULT_STORAGE = "default"
EFS_STORAGE = "efs"

POD_SECURITY = "baseline"
"""The strictest Pod Security level that allows the capabilities of a build."""


@with_config(ARGS)
class CatalogueImage(ImageSource):
    """One image of a catalogue. A build argument `images/NAME` stands for the ref of another."""

    name: str
    """Name of the image, and of its repository: lower-case letters, digits and '-'."""

    destination: NotRequired[str]
    """Where it is pushed; `NAME:latest` in the factory's own registry when absent."""

    whole_workspace: NotRequired[bool]
    """Mount the whole workspace, not only the folder of this build."""


@with_config(ARGS)
class ImageFactoryArgs(BuildOptions):
    """Arguments of `ImageFactory`; the build options hold for each image that says no other."""

    images: list[CatalogueImage]
    """What is built."""

    namespace: NotRequired[str]
    """Namespace of everything; `kaniko`."""

    create_namespace: NotRequired[bool]
    """Make the namespace, with Pod Security labels; true. Otherwise it must exist."""

    storage: NotRequired[str]
    """Storage class of all claims that name no other; `default` is the cluster's default class."""

    workspace: NotRequired[WorkspaceSettings]
    """The workspace."""

    credentials: NotRequired[CredentialsSettings]
    """Logins beside that of the factory's own registry."""

    registry: NotRequired[RegistrySettings]
    """The registry."""

    kubeconfig: NotRequired[str]
    """As for `Image`."""

    kube_context: NotRequired[str]
    """As for `Image`."""


class ImageFactory(pulumi.ComponentResource):
    """A namespace with a registry, credentials, a workspace and one `Image` an entry.

    Resources: a `Namespace` unless it exists, `Registry`, `Credentials`, `Workspace`, `Image`s.
    """

    namespace: pulumi.Output[str]
    """Namespace of everything."""

    registry: pulumi.Output[str]
    """Host of the registry, `host:port`."""

    pull_secret: pulumi.Output[str]
    """Name of the Secret for `imagePullSecrets` of pods in the namespace."""

    refs: pulumi.Output[dict[str, str]]
    """Image -> ref by digest."""

    def __init__(
        self, name: str, args: ImageFactoryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the factory.

        Args:
            name: logical name.
            args: see `ImageFactoryArgs`.
            opts: options of the component.

        Raises:
            InvalidArgs: with all mistakes of the arguments.
        """
        checked = checked_factory(args, f"image factory '{name}'")
        super().__init__("kaniko:index:ImageFactory", name, {}, opts)
        require_engine()
        self._opts = opts
        self.namespace = self._namespace(checked)
        registry, workspace, credentials = self._around(name, checked)
        self.registry = registry.host
        self.pull_secret = credentials.pull_secret
        self.images: dict[str, Image] = {}
        sources = {image["name"]: image for image in checked["images"]}
        for image in build_order(sources):
            made = self._image_args(checked, sources[image], registry, workspace, credentials)
            self.images[image] = Image(f"{name}-{image}", made, child_options(self, opts))
        self.refs = pulumi.Output.all(**{key: image.ref for key, image in self.images.items()})
        self.register_outputs(
            {
                "namespace": self.namespace,
                "registry": self.registry,
                "pullSecret": self.pull_secret,
                "refs": self.refs,
            }
        )

    def _namespace(self, args: ImageFactoryArgs) -> pulumi.Output[str]:
        name = args.get("namespace", "kaniko")
        if not args.get("create_namespace", True):
            return pulumi.Output.from_input(name)
        made = core.v1.Namespace(
            name,
            metadata=meta.v1.ObjectMetaArgs(
                name=name,
                labels={
                    **labels("namespace", name),
                    "pod-security.kubernetes.io/enforce": POD_SECURITY,
                },
            ),
            opts=child_options(self, self._opts),
        )
        return made.metadata.name

    def _around(self, name: str, args: ImageFactoryArgs) -> tuple[Registry, Workspace, Credentials]:
        """Register what the images need around them."""
        namespace, opts = self.namespace, child_options(self, self._opts)
        chosen = args.get("storage", DEFAULT_STORAGE)
        storage: ClaimArgs = {} if chosen == DEFAULT_STORAGE else {"storage_class": chosen}
        registry = Registry(
            f"{name}-registry",
            {**storage, **args.get("registry", {}), "namespace": namespace},
            opts,
        )
        workspace = Workspace(
            f"{name}-workspace",
            {**storage, **args.get("workspace", {}), "namespace": namespace},
            opts,
        )
        settings = args.get("credentials", {})
        credentials = Credentials(
            f"{name}-credentials",
            {
                **storage,
                **settings,
                "logins": [registry.login, *settings.get("logins", [])],
                "namespace": namespace,
            },
            opts,
        )
        return registry, workspace, credentials

    def _image_args(
        self,
        args: ImageFactoryArgs,
        image: CatalogueImage,
        registry: Registry,
        workspace: Workspace,
        credentials: Credentials,
    ) -> ImageArgs:
        chosen = {**_chosen(args, SHARED), **_chosen(image, ImageSource.__annotations__)}
        chosen |= {
            "name": image["name"],
            "namespace": self.namespace,
            "destination": image.get("destination")
            or pulumi.Output.concat(registry.host, "/", image["name"]),
            "credentials": {"claim_name": credentials.claim_name},
            "insecure_registries": [registry.host, *chosen.get("insecure_registries", [])],
            "build_args": {
                argument: self.images[base].ref if (base := referred_image(value)) else value
                for argument, value in image.get("build_args", {}).items()
            },
        }
        made = cast(ImageArgs, chosen)
        if "workspace" in image["context"]:
            made["workspace"] = {
                "claim_name": workspace.claim_name,
                "revision": workspace.revision,
                "whole": image.get("whole_workspace", False),
            }
        return made


def _chosen(args: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: args[key] for key in keys if key in args}


def checked_factory(args: object, of: str) -> ImageFactoryArgs:
    """Check the arguments of a factory: their types, and what they say.

    Args:
        args: what was given.
        of: what it is for, as the heading of the error.

    Raises:
        InvalidArgs: with all mistakes; a wrong type in one place hides none in another.
    """
    mistakes: list[Mistake] = []
    try:
        checked = validate(ImageFactoryArgs, args, of)
        images = dict(enumerate(checked["images"]))
    except InvalidArgs as error:
        mistakes += error.mistakes
        checked, images = _right_parts(args)
    mistakes += _check_settings(checked)
    mistakes += _check_images(images, _names(args))
    if mistakes:
        raise InvalidArgs(of, mistakes)
    return checked


def _right_parts(args: object) -> tuple[ImageFactoryArgs, dict[int, CatalogueImage]]:
    """Give what of the arguments has the right types, images by their position."""
    given = args if isinstance(args, Mapping) else {}
    right: dict[str, Any] = {"images": []}
    for key, value in given.items():
        if key != "images":
            with suppress(InvalidArgs):
                right |= validate(ImageFactoryArgs, {"images": [], key: value}, "")
    images = {}
    for index, image in enumerate(_given_images(args)):
        with suppress(InvalidArgs):
            images[index] = validate(CatalogueImage, image, "")
    return cast(ImageFactoryArgs, right), images


def _given_images(args: object) -> list[Any]:
    images = args.get("images") if isinstance(args, Mapping) else None
    return images if isinstance(images, list) else []


def _names(args: object) -> set[str]:
    images = (image for image in _given_images(args) if isinstance(image, Mapping))
    return {name for image in images if isinstance(name := image.get("name"), str)}


def _check_settings(args: ImageFactoryArgs) -> list[Mistake]:
    mistakes = check_options(args)
    logins = args.get("credentials", {}).get("logins", [])
    for found in check_logins(logins):
        mistakes.append(Mistake(("credentials", *found.path), found.problem))
    if args.get("storage") == EFS_STORAGE:
        problem = (
            "'efs' is not there yet: a later release makes the file system and its class; until "
            "then name a storage class that exists in the cluster, or 'default'"
        )
        mistakes.append(Mistake(("storage",), problem))
    return mistakes


def _check_images(images: Mapping[int, CatalogueImage], names: Collection[str]) -> list[Mistake]:
    """Check images by their position; `names` are all that were given, right or wrong."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    mistakes: list[Mistake] = []
    for index, image in images.items():
        name = image["name"]
        own = [
            *check_name(name),
            *check_source(image),
            *check_destination(image.get("destination")),
        ]
        if name in first:
            problem = f"'{name}' is the name of images[{first[name]}] too; choose another"
            own.append(Mistake(("name",), problem))
        first.setdefault(name, index)
        last[name] = index
        mistakes += [Mistake(("images", index, *found.path), found.problem) for found in own]
    for found in check_graph({image["name"]: image for image in images.values()}, names):
        index = last[str(found.path[0])]
        mistakes.append(Mistake(("images", index, *found.path[1:]), found.problem))
    return mistakes
