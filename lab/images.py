"""Container images made of a few files, the same bytes each time."""

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class File:
    """A file of an image.

    Attributes:
        content: Its bytes, or a file on this machine; nothing for a folder or a link.
        mode: Permission bits.
        link: Target of a symbolic link.
        folder: It is a folder.
    """

    content: bytes | Path = b""
    mode: int = 0o644
    link: str = ""
    folder: bool = False


@dataclass(frozen=True)
class Blob:
    """Something an image refers to by its digest.

    Attributes:
        media_type: What it is.
        digest: `sha256:...`.
        size: Bytes.
        content: Its bytes, or a file on this machine.
    """

    media_type: str
    digest: str
    size: int
    content: bytes | Path

    def descriptor(self) -> dict[str, object]:
        """Give the entry by which others refer to it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        return self.content.open("rb")


@dataclass(frozen=True)
class Image:
    """An image for one platform.

    Attributes:
        manifest: Refers to the others.
        blobs: The configuration and the layer.
    """

    manifest: Blob
    blobs: tuple[Blob, ...]


def write_layer(path: Path, entries: Mapping[str, File]) -> None:
    """Write a layer: the same entries give the same bytes.

    Args:
        path: The tar file to write.
        entries: Files by their absolute path; folders above them are made.
    """
    folders = {
        str(parent): File(mode=0o755, folder=True)
        for name in entries
        for parent in PurePosixPath(name).parents
        if str(parent) != "/"
    }
    everything = {**folders, **entries}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(everything):
            _add(archive, name.lstrip("/"), everything[name])


def _add(archive: tarfile.TarFile, name: str, file: File) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = file.mode
    if file.folder:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif file.link:
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, file.link, 0o777
        archive.addfile(entry)
    elif isinstance(file.content, bytes):
        entry.size = len(file.content)
        archive.addfile(entry, io.BytesIO(file.content))
    else:
        entry.size = file.content.stat().st_size
        with file.content.open("rb") as source:
            archive.addfile(entry, source)


def compress(layer: Path) -> Path:
    """Compress a layer beside itself; the same bytes each time."""
    target = layer.with_name(f"{layer.name}.gz")
    with (
        layer.open("rb") as source,
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
    ):
        shutil.copyfileobj(source, packed, 1 << 20)
    return target


def image(layer: Path, settings: Mapping[str, object], compressed: Path | None = None) -> Image:
    """Describe an image of one layer.

    Args:
        layer: The uncompressed tar file.
        settings: What containers of it run with: `Entrypoint`, `Env` and the like.
        compressed: The same layer compressed, to be stored instead.

    Raises:
        KeyError: There is no name for this machine's processor in images.
    """
    stored = compressed or layer
    kind = f"{LAYER}+gzip" if compressed else LAYER
    layer_blob = Blob(kind, digest_of(stored), stored.stat().st_size, stored)
    config = _json_blob(
        CONFIG,
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            "history": [{"created_by": "pulumi-kaniko lab"}],
        },
    )
    manifest = _json_blob(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer_blob.descriptor()],
        },
    )
    return Image(manifest, (config, layer_blob))


def _json_blob(media_type: str, content: object) -> Blob:
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return Blob(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data)


def digest_of(path: Path) -> str:
    """Give `sha256:...` of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def write_archive(path: Path, content: Image, names: Iterable[str]) -> None:
    """Write an image as an OCI archive that `ctr images import` reads.

    Args:
        path: The tar file to write.
        content: The image.
        names: Names it gets on the node, with registry and tag.
    """
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                **content.manifest.descriptor(),
                "annotations": {"io.containerd.image.name": name},
            }
            for name in names
        ],
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "oci-layout", File(b'{"imageLayoutVersion":"1.0.0"}'))
        _add(archive, "index.json", File(json.dumps(index, sort_keys=True).encode()))
        for blob in (content.manifest, *content.blobs):
            _add(archive, f"blobs/{blob.digest.replace(':', '/')}", File(blob.content))
