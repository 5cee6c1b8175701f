"""Runs an image's entrypoint in a root of its own: process 1 of `docker_run`'s namespaces.

kaniko empties its root directory between two stages. So it runs in a file system in memory that
only its own mount namespace knows, which the machine's has been taken out of, and nothing is run
before that was looked at. All that is made here goes away with the process.
"""

import ctypes
import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILED = 125
"""The exit status of `docker run` when it is Docker that failed."""

ROOT = Path("/sys")
"""Covered by the new root: a folder that every machine has and no volume comes from."""

SIZE = "2g"
DEVICES = [f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")]
HOSTS = "/etc/hosts"
RUNTIME = ".dockerenv"

KEPT_CAPABILITIES = {
    *(0, 1, 3, 4, 5, 6, 7, 8),  # CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP
    *(10, 13, 18, 29, 31),  # NET_BIND_SERVICE NET_RAW SYS_CHROOT AUDIT_WRITE SETFCAP
}
"""Docker's default without MKNOD: no device of the machine can be reached."""

_MS_RDONLY, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 4, 32, 4096
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2
_PR_CAPBSET_DROP = 24

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """Why nothing was run."""


@dataclass(frozen=True)
class Volume:
    """A file or folder of the machine that the container sees."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Container:
    """What is run: an image's archive, arguments for its entrypoint, volumes.

    `outside` are the namespaces in which it must not run.
    """

    archive: str
    args: Sequence[str]
    volumes: Sequence[Volume]
    outside: Mapping[str, str]


def namespaces() -> dict[str, str]:
    """Give the mount and process namespaces of this process."""
    return {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("mnt", "pid")}


def run(container: Container) -> None:
    """Become the image's entrypoint."""
    inside = namespaces()
    if os.getpid() != 1 or any(inside[kind] == container.outside[kind] for kind in inside):
        raise Refused("it is not in namespaces of its own")
    settings = fill_root(container)
    targets = [volume.target for volume in container.volumes]
    root = identity(ROOT)
    pivot_root()
    require_root(root, {"/", "/proc", "/dev", HOSTS, *DEVICES, *targets})
    drop_capabilities()
    execute(settings, container.args)


def fill_root(container: Container) -> dict[str, Any]:
    """Make the root that the image and the volumes say, and give the image's settings."""
    mount("none", Path("/"), flags=_MS_REC | _MS_PRIVATE)
    mount("tmpfs", ROOT, kind="tmpfs", flags=_MS_NODEV, options=f"size={SIZE},mode=0755")
    settings = unpack(Path(container.archive))
    (ROOT / RUNTIME).touch()
    folder("/proc")
    mount("proc", ROOT / "proc", kind="proc")
    folder("/dev")
    mount("tmpfs", ROOT / "dev", kind="tmpfs", options="size=64k,mode=0755")
    for device in DEVICES:
        bind(Volume(device, device, read_only=False))
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (ROOT / "dev" / name).symlink_to(f"/proc/self/fd{target}")
    # As with Docker it is a mount, so that kaniko leaves it alone.
    hosts = folder("/etc") / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    bind(Volume(str(hosts), HOSTS, read_only=False))
    for volume in container.volumes:
        bind(volume)
    folder(settings.get("WorkingDir") or "/")
    return settings


def unpack(archive: Path) -> dict[str, Any]:
    """Unpack an OCI archive with one image into the root, and give the image's settings."""
    with tarfile.open(archive) as image:
        manifest = json.loads(_blob(image, json.loads(_read(image, "index.json"))["manifests"][0]))
        for descriptor in manifest["layers"]:
            layer = _blob(image, descriptor)
            data = gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
            command = ["tar", "--extract", "--numeric-owner", f"--directory={ROOT}"]
            subprocess.run(command, input=data, check=True)
        settings: dict[str, Any] = json.loads(_blob(image, manifest["config"]))["config"]
        return settings


def _blob(image: tarfile.TarFile, descriptor: Mapping[str, str]) -> bytes:
    return _read(image, f"blobs/{descriptor['digest'].replace(':', '/')}")


def _read(image: tarfile.TarFile, name: str) -> bytes:
    file = image.extractfile(name)
    if file is None:
        raise Refused(f"the image's archive has no {name}")
    return file.read()


def folder(path: str) -> Path:
    """Make a folder of the root; a link of the image must not lead out of it."""
    made = ROOT / path.lstrip("/")
    made.mkdir(parents=True, exist_ok=True)
    if made.resolve() != made:
        raise Refused(f"{path} is no plain folder of the image")
    return made


def bind(volume: Volume) -> None:
    """Mount a file or folder of the machine into the root."""
    name = Path(volume.target)
    target = folder(str(name.parent)) / name.name
    if Path(volume.source).is_dir():
        folder(volume.target)
    elif target.is_symlink():
        raise Refused(f"{volume.target} is a link in the image")
    else:
        target.touch()
    mount(volume.source, target, flags=_MS_BIND)
    if volume.read_only:
        mount("none", target, flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def mount(
    source: str, target: Path, *, kind: str | None = None, flags: int = 0, options: str = ""
) -> None:
    """Call mount(2)."""
    filesystem = kind.encode() if kind else None
    if _libc.mount(
        source.encode(), bytes(target), filesystem, ctypes.c_ulong(flags), options.encode()
    ):
        raise _error(str(target))


def pivot_root() -> None:
    """Make the new root the root, and let go of the machine's."""
    os.chdir(ROOT)
    if _libc.pivot_root(b".", b"."):
        raise _error("pivot_root")
    if _libc.umount2(b".", _MNT_DETACH):
        raise _error("umount2")
    os.chdir("/")


def identity(path: Path) -> tuple[int, int]:
    """Give what tells a folder from all others."""
    found = path.stat()
    return found.st_dev, found.st_ino


def require_root(root: tuple[int, int], expected: set[str]) -> None:
    """Refuse to go on unless `/` is the new root and nothing else of the machine is in sight."""
    if identity(Path("/")) != root or not Path("/", RUNTIME).exists():
        raise Refused("the root directory is still that of the machine")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = sorted(_unescaped(line.split()[4]) for line in lines)
    if found != sorted(expected):
        raise Refused(f"the mounts are not those expected, but {', '.join(found)}")


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def drop_capabilities() -> None:
    """Take away the capabilities that a container hasn't got."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in set(range(last + 1)) - KEPT_CAPABILITIES:
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0):
            raise _error("prctl")


def execute(settings: Mapping[str, Any], args: Sequence[str]) -> None:
    """Replace this process by the image's entrypoint."""
    os.chdir(settings.get("WorkingDir") or "/")
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    environment = dict(variable.split("=", 1) for variable in settings["Env"])
    program, *words = settings["Entrypoint"]
    os.execve(program, [program, *words, *args], {**environment, "HOSTNAME": "laptop"})


def _error(where: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), where)


def main(words: Sequence[str]) -> int:
    """Run the container that is given as JSON."""
    given = json.loads(words[0])
    volumes = [Volume(**volume) for volume in given.pop("volumes")]
    try:
        run(Container(**given, volumes=volumes))
    except (Refused, OSError, subprocess.SubprocessError) as error:
        print(f"docker: {error}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
