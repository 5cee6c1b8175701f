"""What the machine must have, told before anything is started."""

import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab import addresses, cgroups, debian, paths, processes
from lab.errors import LabError

GIGABYTE = 10**9
DISK_FIRST = 14 * GIGABYTE
DISK_LATER = 3 * GIGABYTE
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NETWORK = ipaddress.ip_network("198.18.0.0/15")

# Program and the Debian package that has it.
PROGRAMS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "tar": "tar",
    "unshare": "util-linux",
}

# What the kernel must do, and the command that shows it.
KERNEL_FEATURES = {
    "veth": "ip link add name try0 type veth peer name try1",
    "bridge": "ip link add name try2 type bridge",
    "nf_tables": "xtables-nft-multi iptables -t nat -A POSTROUTING -j RETURN",
    "xt_MASQUERADE": "xtables-nft-multi iptables -t nat -A POSTROUTING -j MASQUERADE",
    "xt_conntrack": "xtables-nft-multi iptables -A FORWARD -m conntrack --ctstate NEW -j DROP",
    "xt_comment": "xtables-nft-multi iptables -A FORWARD -m comment --comment a -j DROP",
    "xt_mark": "xtables-nft-multi iptables -A FORWARD -m mark --mark 1 -j DROP",
    "xt_statistic": (
        "xtables-nft-multi iptables -A FORWARD -m statistic --mode random --probability 0.5 -j DROP"
    ),
}


def refuse(problems: Iterable[str]) -> None:
    """Stop when there are problems.

    Args:
        problems: One line each.

    Raises:
        LabError: With all of them.
    """
    lines = list(problems)
    if lines:
        raise LabError("\n".join(["The lab can't run on this machine yet:", *lines]))


def problems(disk: int | None = None) -> list[str]:
    """Look at the machine and change nothing.

    Args:
        disk: Free bytes that are needed; by default what the first or a later start takes.

    Returns:
        One line each problem, with the way out.
    """
    if sys.platform != "linux":
        return ["- This is no Linux. Use a Linux machine or a virtual one."]
    found = [
        *(*_root(), *_programs(), *_certificates(), *_cgroups()),
        *(*_disk(disk), *_network(), *_folder()),
    ]
    return [f"- {line}" for line in found]


def _root() -> list[str]:
    if os.geteuid() != 0:
        return ["It needs root, for namespaces, mounts and cgroups: run it as root or with sudo."]
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "true"]
    if shutil.which("unshare") and subprocess.run(words, capture_output=True).returncode:
        return ["Root may not make namespaces here: use a machine, or a privileged container."]
    return []


def _programs() -> list[str]:
    missing = {name: package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if not missing:
        return []
    if "apt-get" in missing:
        return ["There is no apt-get: the node comes from Debian packages, use Debian or Ubuntu."]
    packages = " ".join(sorted(set(missing.values())))
    return [f"Missing: {', '.join(missing)}. Run `apt-get install {packages}`."]


def _certificates() -> list[str]:
    if CERTIFICATES.exists() or {"SSL_CERT_FILE", "SSL_CERT_DIR"} & set(os.environ):
        return []
    return ["No CA certificates for downloads: run `apt-get install ca-certificates`."]


def _cgroups() -> list[str]:
    missing = [name for name in cgroups.NEEDED if name not in cgroups.controllers()]
    if missing:
        return [
            f"No cgroup controller {', '.join(missing)} below /sys/fs/cgroup: mount cgroups, "
            "or enable them on the kernel's command line (cgroup_enable=memory)."
        ]
    return []


def _disk(needed: int | None) -> list[str]:
    if needed is None:
        needed = DISK_LATER if _exists(paths.builds()) else DISK_FIRST
    folder = next(folder for folder in (paths.home(), *paths.home().parents) if _exists(folder))
    free = shutil.disk_usage(folder).free
    if free < needed:
        return [
            f"{free / GIGABYTE:.1f} GB are free in {folder}, {needed / GIGABYTE:.1f} GB are "
            "needed: make room, or set LAB_HOME to a folder on another disk."
        ]
    return []


def _exists(folder: Path) -> bool:
    return os.access(folder, os.F_OK, effective_ids=True)


def _network() -> list[str]:
    other = processes.other_home()
    if other:
        return [
            "Another lab runs, and there can be one on a machine: end it with "
            f"`LAB_HOME={other} python -m lab down`."
        ]
    users = sorted({link for link, network in _routes() if network.overlaps(NETWORK)})
    if users:
        return [
            f"Addresses of {NETWORK}, a range for tests, are in use by {', '.join(users)}: "
            f"run `ip link delete {users[0]}` if it is left over from a test."
        ]
    return []


def _routes() -> list[tuple[str, ipaddress.IPv4Network]]:
    routes = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        link, destination, *_, mask = line.split()[:8]
        network, prefix = (
            socket.inet_ntoa(struct.pack("<L", int(word, 16))) for word in (destination, mask)
        )
        if link != addresses.HOST_LINK and prefix != "0.0.0.0":
            routes.append((link, ipaddress.IPv4Network(f"{network}/{prefix}")))
    return routes


def _folder() -> list[str]:
    if set(str(paths.home())) & set(":,\\ "):
        return [f"LAB_HOME is {paths.home()}: choose a path without spaces, commas and colons."]
    return []


def kernel_problems() -> list[str]:
    """Try what the kernel must do, in namespaces that end at once.

    Returns:
        One line each problem, with the way out.
    """
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "overlay"], capture_output=True, check=False)
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return ["- The kernel has no overlay file system: run `modprobe overlay`."]
    if not _can_hold_layers():
        return [
            f"- The file system of {paths.home()} can't hold image layers: "
            "set LAB_HOME to a folder on ext4 or xfs."
        ]
    script = "\n".join(
        f"{shown} >/dev/null 2>&1 || echo {feature}" for feature, shown in KERNEL_FEATURES.items()
    )
    command = ["unshare", "--net", "sh", "-c", script]
    answer = subprocess.run(
        debian.with_packages(debian.node_folder(), command), capture_output=True, text=True
    )
    return [
        f"- The kernel lacks {feature}: run `modprobe {feature}`, or use a kernel that has it."
        for feature in answer.stdout.split()
    ]


def _can_hold_layers() -> bool:
    paths.home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.home()) as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", layers, f"{folder}/merged"]
        return subprocess.run(["unshare", "--mount", *mount], capture_output=True).returncode == 0
