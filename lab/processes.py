"""Finding the processes of the lab from outside, without a file that could be out of date."""

import os
import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab import paths

INIT = b"/lab/init.py"
MARK = "KANIKO_LAB"


def mark() -> str:
    """Give the variable, with its value, that all processes of this lab have."""
    return f"{MARK}={paths.home()}"


def _all() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _namespaced_ids(pid: int) -> list[int]:
    """Give the IDs of a process in each process namespace it is in, from the outermost."""
    for line in _read(pid, "status").decode(errors="replace").splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []


def labs() -> dict[Path, int]:
    """Give the labs that run on this machine: process 1 of each, by the folder of its run."""
    found = {}
    for pid in _all():
        words = _read(pid, "cmdline").split(b"\0")
        if len(words) > 2 and words[-3].endswith(INIT) and _namespaced_ids(pid)[1:] == [1]:
            found[Path(words[-2].decode())] = pid
    return found


def init_pid() -> int | None:
    """Give the process on this machine that is process 1 of the running lab."""
    return labs().get(paths.run())


def other_home() -> Path | None:
    """Give the `LAB_HOME` of another lab that runs on this machine."""
    return next((run.parent for run in labs() if run != paths.run()), None)


def part_pid(inner: int) -> int | None:
    """Give the process on this machine for one inside the lab.

    Args:
        inner: Its ID as `init.py` sees it.
    """
    init = init_pid()
    if init is None:
        return None
    namespace = _namespace(init, "pid")
    for pid in _all():
        if _namespaced_ids(pid)[1:] == [inner] and _namespace(pid, "pid") == namespace:
            return pid
    return None


def _namespace(pid: int, kind: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def started_by_lab() -> list[int]:
    """Give all processes that were started by this lab, apart from this one and its ancestors."""
    mine = set(_ancestors(os.getpid()))
    wanted = mark().encode()
    return [
        pid for pid in _all() if pid not in mine and wanted in _read(pid, "environ").split(b"\0")
    ]


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 0:
        yield pid
        fields = _read(pid, "stat").rpartition(b")")[2].split()
        pid = int(fields[1]) if fields else 0


def kill(pids: Iterable[int], timeout: float = 30.0) -> bool:
    """Kill processes and wait for their end.

    Args:
        pids: Their IDs.
        timeout: Seconds to wait for each.

    Returns:
        Whether all have ended.
    """
    opened = []
    for pid in pids:
        try:
            opened.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    for descriptor in opened:
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            continue
    ended = True
    for descriptor in opened:
        readable, _, _ = select.select([descriptor], [], [], timeout)
        ended = ended and bool(readable)
        os.close(descriptor)
    return ended
