"""`docker run` of kaniko, in the lab's network, on a machine that runs no Docker engine.

It understands the one form that the program prints, and refuses everything else. The executor is
the very one that the lab's node runs; `container` gives it a root of its own.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab import node_images, processes
from lab.errors import LabError
from tests.stand_in.container import FAILED, Container, Refused, Volume, namespaces

FORM = "docker run --rm --network=host [-v HOST:PATH[:ro]]... IMAGE ARGS..."


def parse(words: Sequence[str]) -> tuple[list[Volume], str, list[str]]:
    """Read the command line: volumes, image, arguments."""
    if list(words[:3]) != ["run", "--rm", "--network=host"]:
        raise Refused(f"only this is understood: {FORM}")
    rest = list(words[3:])
    volumes = []
    while rest[:1] == ["-v"] and len(rest) > 1:
        volumes.append(_volume(rest[1]))
        rest = rest[2:]
    if not rest or rest[0].startswith("-"):
        raise Refused(f"{' '.join(rest[:1]) or 'no image'}: only this is understood: {FORM}")
    return volumes, rest[0], rest[1:]


def _volume(text: str) -> Volume:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source.startswith("/") or not target.startswith("/") or mode not in ("", "ro"):
        raise Refused(f"-v {text}: it has to be HOST:PATH or HOST:PATH:ro, with absolute paths")
    if not Path(source).exists():
        raise Refused(f"-v {text}: there is no {source}")
    return Volume(str(Path(source).resolve()), target, mode == "ro")


def image_archive(name: str) -> Path:
    """Find the archive of kaniko's image, which the lab made for its node."""
    image = node_images.kaniko()
    if name not in image.names:
        raise Refused(f"there is no image {name} here; known: {', '.join(image.names)}")
    return node_images.archive(image).path


def require_lab_network() -> None:
    """Refuse to run where a packet could leave the machine."""
    init = processes.init_pid()
    own = Path("/proc/self/ns/net").readlink()
    if init is None or own != Path(f"/proc/{init}/ns/net").readlink():
        raise Refused("it runs in the lab's network only: python -m lab exec -- docker run ...")


def container_command(words: Sequence[str]) -> list[str]:
    """Give the command line that is the container."""
    volumes, image, args = parse(words)
    require_lab_network()
    container = Container(str(image_archive(image)), args, volumes, namespaces())
    # Whoever kills this process kills the container with it.
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
    program = str(Path(__file__).with_name("container.py"))
    return [*unshare, sys.executable, "-P", program, json.dumps(asdict(container))]


def main(words: Sequence[str]) -> int:
    """Become the container, or say why not."""
    try:
        command = container_command(words)
    except (Refused, LabError) as error:
        print(f"docker: {error}", file=sys.stderr)
        return FAILED
    return os.execvp(command[0], command)
