"""Moving a running process into the lab's network."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import cluster, gotools, paths, processes
from lab.errors import LabError

CLONE_NEWNET = 0x40000000


@contextmanager
def entered() -> Iterator[None]:
    """Go on in the lab's network, with its kubeconfig and its `kubectl`, as `lab exec` would.

    Only the calling thread and what it starts meanwhile are moved.

    Raises:
        LabError: The lab is not running.
        OSError: The kernel refuses it.
    """
    init = processes.init_pid()
    if init is None:
        raise LabError("The lab is not running. Start it with `python -m lab up`.")
    outside = dict(os.environ)
    with Path("/proc/self/ns/net").open() as home, Path(f"/proc/{init}/ns/net").open() as there:
        _setns(there.fileno())
        try:
            _set_environment()
            yield
        finally:
            _setns(home.fileno())
            os.environ.clear()
            os.environ.update(outside)


def _setns(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _set_environment() -> None:
    for proxy in cluster.PROXIES:
        os.environ.pop(proxy, None)
    mark, _, value = processes.mark().partition("=")
    programs = gotools.folder_of(gotools.KUBERNETES)
    os.environ |= {
        mark: value,
        "KUBECONFIG": str(paths.kubeconfig()),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
