"""The link between the machine and the lab, on the machine's side."""

import ipaddress
import socket
import subprocess
import time
from pathlib import Path

from lab import addresses, debian
from lab.errors import LabError

LINKS = Path("/sys/class/net")


def is_linked() -> bool:
    """Say whether the machine's end of the link is there, with the last of its routes."""
    network = int(ipaddress.ip_network(addresses.SERVICES).network_address)
    destination = f"{socket.htonl(network):08X}"
    routes = Path("/proc/net/route").read_text().splitlines()
    return any(line.split()[:2] == [addresses.HOST_LINK, destination] for line in routes)


def _is_there() -> bool:
    return (LINKS / addresses.HOST_LINK).exists()


def link(init: int) -> None:
    """Link the machine with the lab. The routes stand on the link and vanish with it.

    Args:
        init: The lab's process 1.

    Raises:
        LabError: The kernel refuses.
    """
    name = addresses.HOST_LINK
    if not _is_there():
        peer = ("peer", "name", addresses.NODE_LINK, "netns", str(init))
        _ip("link", "add", name, "type", "veth", *peer)
    _ip("address", "replace", f"{addresses.HOST}/{addresses.LINK_PREFIX}", "dev", name)
    _ip("link", "set", name, "addrgenmode", "none", "up")
    for network in (addresses.PODS, addresses.SERVICES):
        _ip("route", "replace", network, "via", addresses.NODE, "dev", name)


def unlink(timeout: float = 10.0) -> bool:
    """Remove the link, with all that stands on it.

    Args:
        timeout: Seconds to wait for the kernel.

    Returns:
        Whether it is gone.
    """
    deadline = time.monotonic() + timeout
    while _is_there():
        subprocess.run(_command("link", "delete", addresses.HOST_LINK), capture_output=True)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _command(*words: str) -> list[str]:
    return debian.with_packages(debian.node_folder(), ["ip", *words])


def _ip(*words: str) -> None:
    answer = subprocess.run(_command(*words), capture_output=True, text=True)
    if answer.returncode:
        raise LabError(f"`ip {' '.join(words)}` failed: {answer.stderr.strip()}")
