"""Pulumi components that build container images in a Kubernetes cluster with kaniko."""

from .claim import AccessMode
from .credentials import Credentials, CredentialsArgs, CredentialsSettings, LoginArgs
from .image import CredentialsVolumeArgs, Image, ImageArgs, WorkspaceVolumeArgs
from .image_factory import CatalogueImage, ImageFactory, ImageFactoryArgs
from .mistakes import InvalidArgs, Mistake
from .registry import Registry, RegistryArgs, RegistrySettings
from .source import BuildOptions, ContextArgs, ImageSource, ResourcesArgs
from .workspace import LoaderArgs, Workspace, WorkspaceArgs, WorkspaceSettings

__all__ = [
    "AccessMode",
    "BuildOptions",
    "CatalogueImage",
    "ContextArgs",
    "Credentials",
    "CredentialsArgs",
    "CredentialsSettings",
    "CredentialsVolumeArgs",
    "Image",
    "ImageArgs",
    "ImageFactory",
    "ImageFactoryArgs",
    "ImageSource",
    "InvalidArgs",
    "LoaderArgs",
    "LoginArgs",
    "Mistake",
    "Registry",
    "RegistryArgs",
    "RegistrySettings",
    "ResourcesArgs",
    "Workspace",
    "WorkspaceArgs",
    "WorkspaceSettings",
    "WorkspaceVolumeArgs",
]
