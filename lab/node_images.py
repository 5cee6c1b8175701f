"""The images that are on the node from the start, each a twin of the public one."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import debian, files, gotools, images, paths, versions
from lab.errors import LabError
from lab.images import File

PAUSE = "lab.invalid/pause:1"
BUSYBOX = "docker.io/library/busybox:stable"
BUSYBOX_PINNED = "docker.io/library/busybox:1.37.0"  # the components' default for small Jobs
REGISTRY = f"docker.io/library/registry:{versions.DISTRIBUTION}"
KANIKO = f"gcr.io/kaniko-project/executor:v{versions.KANIKO}"
KANIKO_FORK = "ghcr.io/osscontainertools/kaniko:v1.28.3"

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
GROUPS = b"root:x:0:\nnobody:x:65534:\n"

REGISTRY_CONFIG = b"""version: 0.1
log:
  fields:
    service: registry
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""
REGISTRY_START = b"""#!/bin/sh
set -e
case "$1" in
    *.yaml | *.yml) set -- registry serve "$@" ;;
    serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
"""


@dataclass(frozen=True)
class NodeImage:
    """An image for the node.

    Attributes:
        names: Its names there, with registry and tag.
        entries: Its files by absolute path.
        settings: What containers of it run with.
    """

    names: tuple[str, ...]
    entries: Mapping[str, File]
    settings: Mapping[str, object]


@dataclass(frozen=True)
class Archive:
    """An image as a file that the node can import.

    Attributes:
        path: The file.
        digest: Of the image's manifest.
        names: Its names on the node.
    """

    path: Path
    digest: str
    names: tuple[str, ...]


def busybox_program() -> Path:
    """Give Debian's static busybox."""
    return debian.node_folder() / "usr/bin/busybox"


def chosen_executor() -> Path | None:
    """Give the kaniko executor named by `LAB_EXECUTOR`, if there is one.

    Raises:
        LabError: It is no file.
    """
    named = os.environ.get("LAB_EXECUTOR")
    if not named:
        return None
    executor = Path(named).absolute()
    if not executor.is_file():
        raise LabError(f"LAB_EXECUTOR names {named}, which is no file.")
    return executor


def busybox_files() -> dict[str, File]:
    """Give the files of a system that is busybox and nothing else."""
    listed = subprocess.run(
        [busybox_program(), "--list"], capture_output=True, text=True, check=True
    )
    applets = {f"/bin/{name}": File(link="busybox") for name in listed.stdout.split()}
    return {
        **applets,
        "/bin/busybox": File(busybox_program(), 0o755),
        "/etc/passwd": File(USERS),
        "/etc/group": File(GROUPS),
        "/etc/nsswitch.conf": File(b"hosts: files dns\n"),
        "/home": File(mode=0o755, folder=True),
        "/root": File(mode=0o700, folder=True),
        "/tmp": File(mode=0o1777, folder=True),
    }


def busybox() -> NodeImage:
    """Describe busybox."""
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return NodeImage((BUSYBOX, BUSYBOX_PINNED), busybox_files(), {"Env": [path], "Cmd": ["sh"]})


def pause() -> NodeImage:
    """Describe the image that holds a pod's namespaces."""
    settings = {"Entrypoint": ["/bin/busybox", "tail", "-f", "/dev/null"], "User": "65535:65535"}
    return NodeImage((PAUSE,), {"/bin/busybox": File(busybox_program(), 0o755)}, settings)


def registry() -> NodeImage:
    """Describe the registry, with the start script of the public image."""
    entries = {
        **busybox_files(),
        **_certificates("/etc/ssl/certs/ca-certificates.crt"),
        "/bin/registry": File(gotools.program(gotools.DISTRIBUTION, "registry"), 0o755),
        "/entrypoint.sh": File(REGISTRY_START, 0o755),
        "/etc/distribution/config.yml": File(REGISTRY_CONFIG),
        "/var/lib/registry": File(mode=0o755, folder=True),
    }
    settings = {
        "Entrypoint": ["/entrypoint.sh"],
        "Cmd": ["/etc/distribution/config.yml"],
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "OTEL_TRACES_EXPORTER=none",
        ],
        "ExposedPorts": {"5000/tcp": {}},
        "Volumes": {"/var/lib/registry": {}},
    }
    return NodeImage((REGISTRY,), entries, settings)


def kaniko() -> NodeImage:
    """Describe the kaniko executor, under the names of the archived image and of the fork."""
    executor = chosen_executor() or gotools.program(gotools.KANIKO, "executor")
    entries = {
        **_certificates("/kaniko/ssl/certs/ca-certificates.crt"),
        "/etc/nsswitch.conf": File(b"hosts: files dns\n"),
        "/kaniko": File(mode=0o777, folder=True),
        "/kaniko/.docker": File(mode=0o777, folder=True),
        "/kaniko/executor": File(executor, 0o755),
        "/workspace": File(mode=0o755, folder=True),
    }
    settings = {
        "Entrypoint": ["/kaniko/executor"],
        "WorkingDir": "/workspace",
        "Env": [
            "HOME=/root",
            "USER=root",
            "PATH=/usr/local/bin:/kaniko",
            "SSL_CERT_DIR=/kaniko/ssl/certs",
            "DOCKER_CONFIG=/kaniko/.docker/",
            "DOCKER_CREDENTIAL_GCR_CONFIG=/kaniko/.config/gcloud/docker_credential_gcr_config.json",
        ],
    }
    return NodeImage((KANIKO, KANIKO_FORK), entries, settings)


def _certificates(path: str) -> dict[str, File]:
    return {path: File(CERTIFICATES.read_bytes())} if CERTIFICATES.exists() else {}


def _key(image: NodeImage) -> str:
    """Name an image by its content; a large file by its path, size and time, which is quick."""
    hashed = hashlib.sha256(json.dumps([image.names, image.settings]).encode())
    for name, file in sorted(image.entries.items()):
        content: object = file.content
        if isinstance(file.content, Path):
            facts = file.content.stat()
            content = (str(file.content), facts.st_size, facts.st_mtime_ns)
        hashed.update(repr((name, content, file.mode, file.link, file.folder)).encode())
    return hashed.hexdigest()[:16]


def archive(image: NodeImage) -> Archive:
    """Write an image as an archive, unless the very same is there.

    Args:
        image: The image.
    """
    short_name = image.names[0].rpartition("/")[2].partition(":")[0]
    folder = paths.builds() / f"image-{short_name}-{_key(image)}"
    if not folder.exists():
        with files.whole_folder(folder) as unfinished:
            layer = unfinished / "layer.tar"
            images.write_layer(layer, image.entries)
            content = images.image(layer, image.settings)
            images.write_archive(unfinished / "image.tar", content, image.names)
            (unfinished / "digest").write_text(content.manifest.digest)
            layer.unlink()
    return Archive(folder / "image.tar", (folder / "digest").read_text(), image.names)


def archives() -> list[Archive]:
    """Give the archives of all images for the node, and remove those of earlier ones.

    What they are made of is built already.
    """
    current = [archive(image) for image in (pause(), busybox(), registry(), kaniko())]
    kept = {one.path.parent for one in current}
    for folder in paths.builds().glob("image-*"):
        if folder not in kept:
            shutil.rmtree(folder)
    return current
