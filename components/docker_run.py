"""The same build by `docker run` on a laptop, as commands ready to paste."""

import re
import shlex
from dataclasses import replace

from .executor import CREDENTIALS_MOUNT, Build, executor_args
from .reference import parse

_SERVICE = re.compile(
    r"(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\.[a-z0-9.-]+)?:(?P<port>\d+)"
)


def docker_run_command(name: str, image: str, build: Build, folder: str) -> str:
    """Write the build without a login: the image goes to `NAME.tar` in the current folder.

    Args:
        name: of the image, and of the tar file.
        image: kaniko's own image.
        build: as in the cluster; its context becomes the mounted folder.
        folder: the context's folder on the laptop.
    """
    local = _on_laptop(build)
    args = [*executor_args(local), "--no-push", f"--tar-path=/out/{name}.tar"]
    mounts = [_mount(folder, _context_path(local)), '-v "$PWD":/out']
    return _command(mounts, image, args)


def docker_run_command_with_login(image: str, build: Build, folder: str) -> str:
    """Write the build with the login of the laptop's `docker login`, pushed where it belongs.

    A registry inside the cluster is reached through a port-forward, which the command starts and
    ends: a laptop has no way to the cluster's own addresses.

    Args:
        image: kaniko's own image.
        build: as in the cluster; its context becomes the mounted folder.
        folder: the context's folder on the laptop.
    """
    local = _on_laptop(build)
    mounts = [
        _mount(folder, _context_path(local)),
        f'-v "$HOME/.docker/config.json":{CREDENTIALS_MOUNT}:ro',
    ]
    run = _command(mounts, image, executor_args(local))
    service = _SERVICE.fullmatch(parse(build.destinations[0]).host)
    if not service:
        return run
    forward = (
        f"kubectl -n {service['namespace']} port-forward "
        f"service/{service['service']} {service['port']}:{service['port']}"
    )
    return f"{forward} & sleep 2; {run}; result=$?; kill $!; (exit $result)"


def _on_laptop(build: Build) -> Build:
    local = "dir:///workspace" if build.context.startswith("tar://") else build.context
    insecure = [_reachable(registry) for registry in build.insecure_registries]
    return replace(
        build,
        context=local,
        destinations=[_reachable(destination) for destination in build.destinations],
        build_args={name: _reachable(value) for name, value in build.build_args.items()},
        insecure_registries=sorted(set(insecure)),
    )


def _reachable(text: str) -> str:
    return _SERVICE.sub(lambda match: f"localhost:{match['port']}", text, count=1)


def _context_path(build: Build) -> str:
    return build.context.removeprefix("dir://")


def _mount(folder: str, path: str) -> str:
    start = "" if folder.startswith("/") else '"$PWD"/'
    return f"-v {start}{shlex.quote(folder)}:{shlex.quote(path)}:ro"


def _command(mounts: list[str], image: str, args: list[str]) -> str:
    words = " ".join(shlex.quote(arg) for arg in args)
    return f"docker run --rm --network=host {' '.join(mounts)} {image} {words}"
