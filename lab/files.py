"""Writing files so that a kill never leaves half of one."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file in one step, making its folder where needed.

    Args:
        path: The file.
        content: Text or bytes.
        mode: Permission bits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def write_json(path: Path, content: object, mode: int = 0o644) -> None:
    """Write an object as JSON in one step; the arguments are those of `write`."""
    write(path, json.dumps(content, indent=1, sort_keys=True) + "\n", mode)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Make a folder that appears only when it is complete.

    Args:
        path: The folder; nothing is there yet.

    Yields:
        A temporary folder beside it, renamed to `path` when the block ends without an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}.*"):
        shutil.rmtree(stale)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
