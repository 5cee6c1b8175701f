"""A folder as the build context that kaniko unpacks: the same archive on every machine.

The archive holds what `docker build` would send. kaniko applies a `.dockerignore` once more at each
COPY, by an older algorithm that forgets some exceptions, and it needs the Dockerfile within the
context even when that is ignored. So the archive of a folder whose `.dockerignore` has patterns
carries a `<dockerfile>.dockerignore` of ours, which kaniko prefers: it hides from COPY just what
Docker would not have sent. An image can therefore never copy its own `<dockerfile>.dockerignore`.
"""

import difflib
import gzip
import hashlib
import io
import os
import posixpath
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import dockerignore
from .dockerignore import Dockerignore, DockerignoreError, Matches

CONFIG_MAP_LIMIT = 1024 * 1024
"""Bytes that the values of one ConfigMap may have together (`MaxSecretSize`); keys don't count."""

# Beyond this the exact size helps nobody, and compressing gigabytes to learn it takes minutes.
_GIVE_UP = 16 * CONFIG_MAP_LIMIT
_CHUNK = 1024 * 1024
_MAX_LINKS = 40


class ContextError(ValueError):
    """A folder that can't be a build context; the message names the path and the way out."""


@dataclass(frozen=True)
class Archive:
    """A build context, packed.

    Attributes:
        data: the gzip-compressed tar, at most `CONFIG_MAP_LIMIT` bytes.
        sha256: hexadecimal digest of the tar before compression, so that another version of zlib
            doesn't change it.
    """

    data: bytes
    sha256: str


@dataclass(frozen=True)
class _Entry:
    path: str
    file: Path
    mode: int
    content: bytes | None = None


def archive(directory: Path, dockerfile: str = "Dockerfile") -> Archive:
    """Pack a folder as the context of a build.

    Args:
        directory: the folder.
        dockerfile: path of the Dockerfile within the folder, parts joined by `/`. Its
            `<dockerfile>.dockerignore` goes before the folder's `.dockerignore`, as in BuildKit.

    Returns:
        The archive, equal on all machines for equal files: names, contents, symbolic links and the
        owner's x bit count; times, owners, other modes and the order on disk don't.

    Raises:
        ContextError: the folder or the Dockerfile is not there, is of the wrong kind, can't be
            read or lies outside; a file is neither file, folder nor symbolic link, has a name that
            is not UTF-8, or links out of the folder; a pattern of the `.dockerignore` is invalid;
            the archive is larger than a ConfigMap may be.
    """
    try:
        _check_directory(directory)
        # kaniko, too, tidies the path up before it follows any link.
        return _packed(directory, _entries(directory, posixpath.normpath(dockerfile)))
    except DockerignoreError as error:
        raise ContextError(str(error)) from None
    except OSError as error:
        problem = f"this can't be read ({error.strerror})"
        way_out = "make it readable for you, or leave it out with .dockerignore"
        raise ContextError(f"{error.filename or directory}: {problem}; {way_out}") from None


def _check_directory(directory: Path) -> None:
    if not directory.exists():
        problem = "there is no such directory; create it or correct the path"
        raise ContextError(f"{directory}: {problem}")
    if not directory.is_dir():
        problem = "this is not a directory; name the one that holds the Dockerfile"
        raise ContextError(f"{directory}: {problem}")


def _entries(directory: Path, dockerfile: str) -> list[_Entry]:
    """All that goes into the archive, in its order."""
    needed = _dockerfile(directory, dockerfile)
    folder = _follow(directory, posixpath.dirname(dockerfile))[-1]
    own_ignore = posixpath.join(folder, f"{posixpath.basename(dockerfile)}.dockerignore")
    ignore = _ignore(directory, [own_ignore, ".dockerignore"])

    sent = {entry.path: entry for entry in _walk(directory, "", ignore, ())}
    hidden = {path: _entry(directory, path) for path in _with_parents(needed) if path not in sent}
    if ignore.patterns:
        lines = [f"{_literally(path)}\n" for path in sorted({*hidden, own_ignore})]
        file = directory / _native(own_ignore)
        hidden[own_ignore] = _Entry(own_ignore, file, stat.S_IFREG, "".join(lines).encode())
    # kaniko 1.24 makes its context folder 0750, and `COPY . /app` would hand that on to /app.
    root = _Entry(".", directory, stat.S_IFDIR)
    # The order of code points is that of the UTF-8 bytes, and puts a folder before what is in it.
    return [root, *sorted((sent | hidden).values(), key=lambda entry: entry.path)]


def _entry(directory: Path, path: str) -> _Entry:
    file = directory / _native(path)
    return _Entry(path, file, file.lstat().st_mode)


def _dockerfile(directory: Path, dockerfile: str) -> list[str]:
    """The symbolic links that lead to the Dockerfile, and the file itself at the end."""
    try:
        trail = _follow(directory, dockerfile)
        mode = _entry(directory, trail[-1]).mode
    except (FileNotFoundError, NotADirectoryError):
        near = difflib.get_close_matches(dockerfile, [file.name for file in directory.iterdir()], 1)
        guess = f"did you mean {near[0]}? Otherwise " if near else ""
        way_out = "write one, or name another with `dockerfile`, relative to this directory"
        raise ContextError(
            f"{directory}: there is no {dockerfile} in it; {guess}{way_out}"
        ) from None
    if not stat.S_ISREG(mode):
        problem = f"the Dockerfile is {_kind(mode)}; name a file with `dockerfile`"
        raise ContextError(f"{directory / dockerfile}: {problem}")
    return trail


def _follow(directory: Path, path: str) -> list[str]:
    """The symbolic links on the way to a path of the context, and where they lead at the end."""
    outside = ContextError(
        f"{directory / path}: this leads out of the context, where the build can't follow; copy"
        " the file into the context"
    )
    trail = []
    place = ""
    parts = path.split("/")
    if path.startswith("/"):
        raise outside
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not place:
                raise outside
            place = posixpath.dirname(place)
            continue
        step = _entry(directory, posixpath.join(place, part))
        if not stat.S_ISLNK(step.mode):
            place = step.path
            continue
        target = _target(step)
        if target.startswith("/"):
            raise outside
        trail.append(step.path)
        if len(trail) > _MAX_LINKS:
            raise ContextError(f"{step.file}: this symbolic link leads back to itself; correct it")
        parts = target.split("/") + parts
    return [*trail, place]


def _ignore(directory: Path, candidates: Iterable[str]) -> Dockerignore:
    for path in candidates:
        file = directory / _native(path)
        if file.exists():
            return dockerignore.parse(file.read_bytes(), str(file))
    return Dockerignore()


def _walk(
    folder: Path, prefix: str, ignore: Dockerignore, parent: Matches, ignored: bool = False
) -> list[_Entry]:
    """What Docker would send: also an ignored folder, when an exception keeps something in it."""
    try:
        files = list(folder.iterdir())
    except PermissionError:
        # As in Docker, what is left out anyway needn't be readable.
        if ignored:
            return []
        raise
    entries = []
    for file in files:
        entry = _Entry(prefix + _text(file.name), file, file.lstat().st_mode)
        left_out, matches = ignore.match(entry.path, parent)
        below = []
        if stat.S_ISDIR(entry.mode) and (not left_out or ignore.may_keep_below(entry.path)):
            below = _walk(file, f"{entry.path}/", ignore, matches, left_out)
        if below or not left_out:
            entries += [entry, *below]
    return entries


def _with_parents(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path
        while path := posixpath.dirname(path):
            yield path


def _literally(path: str) -> str:
    """The pattern of a .dockerignore that matches this path alone."""
    return re.sub(r"[*?\[\]\\^|{}#!]", r"\\\g<0>", path)


def _packed(directory: Path, entries: list[_Entry]) -> Archive:
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    # GzipFile and not gzip.compress, which lets zlib write the name of the operating system.
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as compressed:
        for chunk in _tar(entries):
            digest.update(chunk)
            compressed.write(chunk)
            if buffer.tell() > _GIVE_UP:
                break
    data = buffer.getvalue()
    if len(data) > CONFIG_MAP_LIMIT:
        raise ContextError(_too_large(directory, entries, len(data)))
    return Archive(data, digest.hexdigest())


def _tar(entries: Iterable[_Entry]) -> Iterator[bytes]:
    for entry in entries:
        header = tarfile.TarInfo(_sendable(entry.path, entry))
        if stat.S_ISDIR(entry.mode):
            header.type = tarfile.DIRTYPE
            header.mode = 0o755
            yield _header(header)
        elif stat.S_ISLNK(entry.mode):
            header.type = tarfile.SYMTYPE
            header.mode = 0o777
            header.linkname = _inside(entry)
            yield _header(header)
        elif stat.S_ISREG(entry.mode):
            # Git keeps the x bit alone and the umask differs, so other modes differ by machine.
            header.mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
            yield from _file(header, entry)
        else:
            problem = f"this is {_kind(entry.mode)}, which no build context can hold"
            way_out = "remove it, or leave it out with .dockerignore"
            raise ContextError(f"{entry.file}: {problem}; {way_out}")
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(header: tarfile.TarInfo, entry: _Entry) -> Iterator[bytes]:
    if entry.content is not None:
        header.size = len(entry.content)
        yield from (_header(header), entry.content)
    else:
        with entry.file.open("rb") as source:
            header.size = left = os.fstat(source.fileno()).st_size
            yield _header(header)
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                yield chunk
        if left:
            raise ContextError(f"{entry.file}: this file changed while it was read; try again")
    yield bytes(-header.size % tarfile.BLOCKSIZE)


def _header(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _inside(entry: _Entry) -> str:
    """The target of a symbolic link. An absolute one means a path in the image: Docker sends it."""
    target = _sendable(_target(entry), entry)
    place = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
    if place == ".." or place.startswith("../"):
        problem = f"this symbolic link leads out of the context, to {target}"
        way_out = "put a copy in its place, or leave it out with .dockerignore"
        raise ContextError(f"{entry.file}: {problem}; {way_out}")
    return target


def _too_large(directory: Path, entries: Iterable[_Entry], size: int) -> str:
    sizes = {
        entry.path: entry.file.stat().st_size
        for entry in entries
        if stat.S_ISREG(entry.mode) and entry.content is None
    }
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))[:3]
    listed = ", ".join(f"{path} ({sizes[path]:,} bytes)" for path in largest)
    more = "more than " if size > _GIVE_UP else ""
    return (
        f"{directory}: this context takes {more}{size:,} bytes as a compressed archive, and the"
        f" ConfigMap it travels in holds {CONFIG_MAP_LIMIT:,}. Largest files: {listed}. Leave out"
        " what the image doesn't need with .dockerignore, or put the files on the workspace and use"
        " a `workspace` context"
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFSOCK: "a socket",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFBLK: "a block device",
        stat.S_IFCHR: "a character device",
    }
    return kinds[stat.S_IFMT(mode)]


def _sendable(name: str, entry: _Entry) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        problem = "the name, or what the link leads to, is not UTF-8"
        way_out = "rename it, or leave it out with .dockerignore"
        raise ContextError(f"{str(entry.file)!r}: {problem}; {way_out}") from None
    return name


def _target(link: _Entry) -> str:
    return _text(os.readlink(link.file))  # noqa: PTH115 (Path.readlink would tidy it up)


# Names are UTF-8 here and in the archive, whatever the locale makes of the bytes on disk.


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _native(path: str) -> str:
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))
