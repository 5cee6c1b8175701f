"""The control groups of the lab: one subtree in each hierarchy the machine has."""

import time
from pathlib import Path

from lab import addresses
from lab.errors import LabError

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "memory", "pids")
USED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def is_unified() -> bool:
    """Say whether the machine has cgroup v2 alone."""
    return (ROOT / "cgroup.controllers").exists()


def controllers() -> set[str]:
    """Give the controllers that can be used."""
    if is_unified():
        return set((ROOT / "cgroup.controllers").read_text().split())
    return {name for hierarchy in _hierarchies() for name in hierarchy.name.split(",")}


def _hierarchies() -> list[Path]:
    if is_unified():
        return [ROOT]
    return [
        folder
        for folder in ROOT.glob("*")
        if (folder / "cgroup.procs").exists() and not folder.is_symlink()
    ]


def create() -> None:
    """Make the lab's subtree, which the kubelet wants to find.

    Raises:
        LabError: The controllers can't be passed on to it.
    """
    for hierarchy in _hierarchies():
        group = hierarchy / addresses.CGROUP
        if is_unified():
            _enable(hierarchy)
        group.mkdir(exist_ok=True)
        if is_unified():
            _enable(group)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not is_unified() and (group / name).exists() and (hierarchy / name).exists():
                (group / name).write_text((hierarchy / name).read_text())


def _enable(group: Path) -> None:
    there = (group / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in USED if name in there)
    try:
        (group / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise LabError(
            f"The controllers of {group} can't be used: {error.strerror}. "
            "In a container, use the cgroup namespace of the host."
        ) from error


def remaining() -> list[Path]:
    """Give the lab's subtrees that are there."""
    groups = (hierarchy / addresses.CGROUP for hierarchy in _hierarchies())
    return [group for group in groups if group.exists()]


def remove(timeout: float = 10.0) -> bool:
    """Remove the lab's subtrees; their processes have ended.

    Args:
        timeout: Seconds to wait for the kernel.

    Returns:
        Whether they are gone.
    """
    deadline = time.monotonic() + timeout
    while remaining():
        for group in remaining():
            _remove_tree(group)
        if remaining() and time.monotonic() > deadline:
            return False
        if remaining():
            time.sleep(0.1)
    return True


def _remove_tree(group: Path) -> None:
    for child in group.iterdir():
        if child.is_dir():
            _remove_tree(child)
    try:
        group.rmdir()
    except OSError:
        return
