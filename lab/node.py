"""What can be done to the running node."""

import subprocess
from collections.abc import Iterable, Sequence

from lab import addresses, files, node_images, paths, processes
from lab.errors import LabError
from lab.node_images import Archive


def command(words: Sequence[str]) -> list[str]:
    """Give the command line that runs a program among the node's files.

    Args:
        words: The command line.

    Raises:
        LabError: The lab does not run.
    """
    init = processes.init_pid()
    if init is None:
        raise LabError("The lab is not running. Start it with `python -m lab up`.")
    return ["nsenter", f"--mount=/proc/{init}/ns/mnt", "--", *words]


def _ctr(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(["ctr", "--namespace", "k8s.io", *words]), capture_output=True, text=True
    )


def is_containerd_ready() -> bool:
    """Say whether containerd answers."""
    return processes.init_pid() is not None and _ctr("images", "list", "-q").returncode == 0


def images() -> dict[str, str]:
    """Give the images on the node: digest by name."""
    lines = _ctr("images", "list").stdout.splitlines()[1:]
    return {fields[0]: fields[2] for fields in (line.split() for line in lines)}


def missing(archives: Iterable[Archive]) -> list[Archive]:
    """Give the archives whose image is not on the node, or another one by that name."""
    there = images()
    return [
        archive
        for archive in archives
        if any(there.get(name) != archive.digest for name in archive.names)
    ]


def load(archives: Iterable[Archive]) -> None:
    """Put images on the node.

    Args:
        archives: The images.

    Raises:
        LabError: containerd refuses one.
    """
    for archive in archives:
        answer = _ctr("images", "import", str(archive.path))
        if answer.returncode:
            raise LabError(f"{archive.names[0]} can't be loaded: {answer.stderr.strip()}")


def trust_registry(host: str, address: str | None = None) -> None:
    """Let the node pull from a registry over plain HTTP, from now on.

    Args:
        host: The registry's name in image references, with its port.
        address: Where it is, if not under that name.
    """
    server = f"http://{address or host}"
    text = f'server = "{server}"\n\n[host."{server}"]\n  capabilities = ["pull", "resolve"]\n'
    files.write(paths.trusted_registries() / host / "hosts.toml", text)


def trust_upstream() -> None:
    """Let the node pull from the upstream registry, which also stands for Docker Hub."""
    trust_registry(addresses.UPSTREAM)
    trust_registry("docker.io", addresses.UPSTREAM)


def archives() -> list[Archive]:
    """Give the images every node has."""
    return node_images.archives()
