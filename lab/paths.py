"""Folders and files of the lab on the machine."""

import os
from pathlib import Path


def home() -> Path:
    """Give the folder that holds everything of the lab: `LAB_HOME`, else the user's cache."""
    chosen = os.environ.get("LAB_HOME")
    if chosen:
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache).absolute() / "pulumi-kaniko-lab"


def builds() -> Path:
    """Give the folder of what was built or downloaded; it outlives `down`."""
    return home() / "builds"


def upstream() -> Path:
    """Give the storage folder of the upstream registry; it outlives `down`."""
    return home() / "upstream"


def run() -> Path:
    """Give the folder of the running lab; `down` removes it."""
    return home() / "run"


def logs() -> Path:
    """Give the folder with one log file for each part."""
    return run() / "log" / "parts"


def trusted_registries() -> Path:
    """Give the node's `/etc/containerd/certs.d`, as the machine sees it."""
    return run() / "certs.d"


def kubeconfig(user: str = "admin") -> Path:
    """Give the kubeconfig file of a user.

    Args:
        user: `admin`, or the name of a part.
    """
    return run() / "kubeconfig" / f"{user}.json"
