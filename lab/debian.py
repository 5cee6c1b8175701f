"""Debian packages, unpacked beside the machine's own files: nothing is installed on it."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import files, paths, versions
from lab.errors import LabError
from lab.progress import Report

MERGED_FOLDERS = ("bin", "lib", "lib64", "sbin")


def folder_of(packages: Sequence[str]) -> Path:
    """Give the folder the packages are, or will be, unpacked in.

    Args:
        packages: Names of Debian packages.
    """
    machine = Path("/etc/os-release").read_text()
    digest = hashlib.sha256("\0".join([machine, *packages]).encode()).hexdigest()
    return paths.builds() / f"debian-{digest[:12]}"


def node_folder() -> Path:
    """Give the folder of the packages that the node runs."""
    return folder_of(versions.DEBIAN_PACKAGES)


def unpack(packages: Sequence[str], report: Report) -> Path:
    """Download packages, with what they need that the machine lacks, and unpack them.

    Args:
        packages: Names of Debian packages.
        report: Is told about it.

    Returns:
        The folder they are in.

    Raises:
        LabError: They can't be downloaded.
    """
    folder = folder_of(packages)
    if not folder.exists():
        names = packages[0] if len(packages) == 1 else f"{len(packages)} packages"
        with report.step(f"Get {names} from Debian"), files.whole_folder(folder) as unfinished:
            for archive in _download(packages, unfinished / "archives"):
                _unpack_archive(archive, unfinished)
            shutil.rmtree(unfinished / "archives")
    return folder


def _download(packages: Sequence[str], archives: Path) -> list[Path]:
    (archives / "partial").mkdir(parents=True)
    command = [
        *("apt-get", "install", "--yes", "--reinstall", "--download-only"),
        *("--no-install-recommends", "--option", f"Dir::Cache::archives={archives}"),
        *("--option", "Debug::NoLocking=true", "--option", "APT::Sandbox::User=root"),
        *packages,
    ]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        subprocess.run(["apt-get", "update"], capture_output=True)
        answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise LabError(
            f"apt-get can't download {' '.join(packages)}:\n{answer.stderr.strip()}\n"
            "See that `apt-get update` works, and try again."
        )
    return sorted(archives.glob("*.deb"))


def _unpack_archive(archive: Path, folder: Path) -> None:
    for name in MERGED_FOLDERS:
        target = folder / "usr" / name
        target.mkdir(parents=True, exist_ok=True)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"usr/{name}")
    extract = subprocess.Popen(
        ["tar", "-x", "--keep-directory-symlink", "--directory", folder], stdin=subprocess.PIPE
    )
    subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=extract.stdin, check=True)
    extract.communicate()
    if extract.returncode:
        raise LabError(f"{archive.name} can't be unpacked.")
    archive.unlink()


def with_packages(packages: Path, command: Sequence[str]) -> list[str]:
    """Give the command line that runs a program of unpacked packages on this machine.

    Args:
        packages: The folder they are in; it lies over /usr for this one command.
        command: The command line.
    """
    script = 'mount -t overlay overlay -o "$0" /usr && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, f"lowerdir={packages}/usr:/usr", *command]
