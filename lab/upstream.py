"""The upstream registry's content: it stands for Docker Hub.

Images are written into the storage folder as the registry itself lays it out. It reads the
folder at each request, so an image is there at once, whether it runs or not.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lab import debian, files, images, node_images, paths, versions
from lab.errors import LabError
from lab.images import Image
from lab.progress import Report

BUSYBOX = "library/busybox"
DEBIAN = "library/debian"
LEFT_OUT = ("doc", "locale", "man")
DEBIAN_TAG = f"{versions.DEBIAN_RELEASE}-slim"


def add(repository: str, tag: str, content: Image) -> None:
    """Put an image into the registry.

    Args:
        repository: Such as `library/busybox`.
        tag: Such as `stable`; it moves if it is there.
        content: The image.
    """
    storage = paths.upstream() / "docker/registry/v2"
    folder = storage / "repositories" / repository
    for blob in (content.manifest, *content.blobs):
        algorithm, _, value = blob.digest.partition(":")
        data = storage / "blobs" / algorithm / value[:2] / value / "data"
        if not data.exists():
            data.parent.mkdir(parents=True, exist_ok=True)
            unfinished = data.with_name(f".data.{os.getpid()}")
            with blob.open() as source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            unfinished.replace(data)
        kind = "_manifests/revisions" if blob is content.manifest else "_layers"
        files.write(folder / kind / algorithm / value / "link", blob.digest)
    algorithm, _, value = content.manifest.digest.partition(":")
    tags = folder / "_manifests/tags" / tag
    files.write(tags / "index" / algorithm / value / "link", content.manifest.digest)
    files.write(tags / "current" / "link", content.manifest.digest)


def has(repository: str, tag: str) -> bool:
    """Say whether the registry holds a tag."""
    tags = paths.upstream() / "docker/registry/v2/repositories" / repository / "_manifests/tags"
    return (tags / tag / "current" / "link").exists()


def ensure_busybox() -> None:
    """Put `library/busybox:stable` into the registry."""
    if has(BUSYBOX, "stable"):
        return
    image = node_images.busybox()
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder) / "layer.tar"
        images.write_layer(layer, image.entries)
        add(BUSYBOX, "stable", images.image(layer, image.settings, images.compress(layer)))


def ensure_debian(report: Report | None = None) -> None:
    """Put `library/debian:bookworm-slim` into the registry, made from the machine's own sources.

    Args:
        report: Is told about it.

    Raises:
        LabError: The root file system can't be made.
    """
    if has(DEBIAN, DEBIAN_TAG):
        return
    report = report or Report(paths.home() / "times.json")
    packages = debian.unpack(versions.DEBIAN_BOOTSTRAP_PACKAGES, report)
    with (
        report.step(f"Make debian:{DEBIAN_TAG}"),
        tempfile.TemporaryDirectory(dir=paths.builds()) as folder,
    ):
        layer = Path(folder) / "layer.tar"
        _bootstrap(packages, layer)
        settings = {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        }
        add(DEBIAN, DEBIAN_TAG, images.image(layer, settings, images.compress(layer)))


def _bootstrap(packages: Path, target: Path) -> None:
    command = [
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--quiet"),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
        *(versions.DEBIAN_RELEASE, str(target), "-"),
    ]
    sources = "\n\n".join(path.read_text() for path in _package_sources())
    answer = subprocess.run(
        debian.with_packages(packages, command), input=sources, capture_output=True, text=True
    )
    if answer.returncode or not tarfile.is_tarfile(target):
        last_lines = "\n".join(answer.stderr.strip().splitlines()[-8:])
        raise LabError(f"mmdebstrap failed:\n{last_lines}")


def _package_sources() -> list[Path]:
    folder = Path("/etc/apt")
    found = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [path for path in found if path.suffix in (".list", ".sources") and path.exists()]
