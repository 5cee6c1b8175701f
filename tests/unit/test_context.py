"""A folder as a build context: what is in the archive, and what is refused."""

import gzip
import hashlib
import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.context import CONFIG_MAP_LIMIT, Archive, ContextError, archive

REPOSITORY = Path(__file__).parents[2]
# Loads the module alone: the package would import Pulumi, which takes seconds.
ARCHIVE_IN_ANOTHER_PROCESS = """
import os, sys, types, pathlib
package = types.ModuleType("components")
package.__path__ = ["components"]
sys.modules["components"] = package
from components.context import archive
packed = archive(pathlib.Path(sys.argv[1]))
print(sys.getfilesystemencoding(), packed.sha256, packed.data.hex())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return folder


def write(folder: Path, **contents: str) -> None:
    """Write files; `__` in a name stands for `/`."""
    for name, content in contents.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def sample(folder: Path, order: int = 1) -> Path:
    """Write a context with one of each kind, in one order on disk or the other."""
    folder.mkdir()
    contents = {
        "Dockerfile": "FROM scratch\n",
        "a.txt": "a",
        "a/b": "b",
        "é/日本語": "unicode",
        f"{'long' * 50}/{'er' * 100}": "long",
    }
    for name, content in list(contents.items())[::order]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "empty").mkdir()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o744)
    (folder / "link").symlink_to("./a//b")
    (folder / "in the image").symlink_to("/etc/passwd")
    return folder


def members(packed: Archive) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed.data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def names(packed: Archive) -> list[str]:
    return [name for name in members(packed) if name != "."]


def content(packed: Archive, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(packed.data)) as tar:
        file = tar.extractfile(name)
        assert file
        return file.read().decode()


def refusal(folder: Path, dockerfile: str = "Dockerfile") -> str:
    with pytest.raises(ContextError) as caught:
        archive(folder, dockerfile)
    return str(caught.value)


def test_an_archive_is_the_same_whatever_order_times_modes_and_owners(tmp_path: Path) -> None:
    first = archive(sample(tmp_path / "first"))
    old = os.umask(0o077)
    try:
        second = sample(tmp_path / "second", order=-1)
    finally:
        os.umask(old)
    for file in second.rglob("*"):
        os.utime(file, (1, 1), follow_symlinks=False)
        if os.geteuid() == 0:
            os.chown(file, 1234, 5678, follow_symlinks=False)
    (second / "a.txt").chmod(0o666)
    assert archive(second) == first


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names have no other encoding")
def test_an_archive_is_the_same_in_a_locale_that_is_not_unicode(tmp_path: Path) -> None:
    folder = sample(tmp_path / "sample")
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-c", ARCHIVE_IN_ANOTHER_PROCESS, str(folder)],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    encoding, digest, data = result.stdout.split()
    assert encoding != "utf-8"
    assert Archive(bytes.fromhex(data), digest) == archive(folder)


def test_the_digest_of_a_sample_is_the_one_it_always_was(tmp_path: Path) -> None:
    # Another one here would build every image of every user again.
    digest = "f5d1680b46d7f26aff6dc9dbdc018c8048ec1b1647a0f4c12f998c328d0e464b"
    assert archive(sample(tmp_path / "sample")).sha256 == digest


def test_the_digest_is_that_of_the_tar_before_compression(folder: Path) -> None:
    packed = archive(folder)
    assert hashlib.sha256(gzip.decompress(packed.data)).hexdigest() == packed.sha256


def test_compression_leaves_no_trace_of_machine_or_time(folder: Path) -> None:
    flags, time, system = slice(3, 4), slice(4, 8), slice(9, 10)
    data = archive(folder).data
    assert (data[flags], data[time], data[system]) == (b"\0", bytes(4), b"\xff")


def test_one_changed_byte_changes_the_digest(folder: Path) -> None:
    write(folder, x="a")
    before = archive(folder)
    write(folder, x="b")
    assert archive(folder).sha256 != before.sha256


def test_names_and_contents_arrive_as_they_are(tmp_path: Path) -> None:
    packed = archive(sample(tmp_path / "sample"))
    long = f"{'long' * 50}/{'er' * 100}"
    assert names(packed) == [
        *("Dockerfile", "a", "a.txt", "a/b", "empty", "in the image", "link"),
        *("long" * 50, long, "run.sh", "é", "é/日本語"),
    ]
    assert content(packed, long) == "long"
    assert content(packed, "é/日本語") == "unicode"


def test_modes_are_those_git_knows_and_owners_are_root(tmp_path: Path) -> None:
    found = members(archive(sample(tmp_path / "sample")))
    assert {name: found[name].mode for name in ("a.txt", "run.sh", "a", "empty", "link")} == {
        "a.txt": 0o644,
        "run.sh": 0o755,
        "a": 0o755,
        "empty": 0o755,
        "link": 0o777,
    }
    about = {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found.values()}
    assert about == {(0, 0, "", "", 0)}


def test_the_contexts_own_folder_is_readable_by_all(folder: Path) -> None:
    root = next(iter(members(archive(folder)).values()))
    assert (root.name, root.isdir(), root.mode) == (".", True, 0o755)


def test_symbolic_links_stay_links_with_the_target_they_have(tmp_path: Path) -> None:
    found = members(archive(sample(tmp_path / "sample")))
    assert found["link"].linkname == "./a//b"
    assert found["in the image"].linkname == "/etc/passwd"


def test_hard_links_are_plain_files(folder: Path) -> None:
    write(folder, one="same")
    (folder / "two").hardlink_to(folder / "one")
    packed = archive(folder)
    assert content(packed, "one") == content(packed, "two") == "same"
    assert members(packed)["two"].isreg()


def test_tar_unpacks_an_archive_to_the_same_tree(tmp_path: Path) -> None:
    folder = sample(tmp_path / "sample")
    target = tmp_path / "unpacked"
    target.mkdir()
    packed = archive(folder)
    subprocess.run(["tar", "xz", "-C", target, "--no-same-owner"], input=packed.data, check=True)
    assert archive(target) == packed


def test_a_context_may_be_named_by_a_symbolic_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    assert archive(tmp_path / "current") == archive(folder)


def test_ignored_files_are_left_out(folder: Path) -> None:
    write(folder, **{".dockerignore": "*.log\nbuild\n!build/keep\n", "x.log": "", "x": ""})
    write(folder, build__drop="", build__keep="", other__y="")
    found = names(archive(folder))
    assert found == [
        *(".dockerignore", "Dockerfile", "Dockerfile.dockerignore"),
        *("build", "build/keep", "other", "other/y", "x"),
    ]


def test_a_changed_ignored_file_changes_nothing(folder: Path) -> None:
    write(folder, **{".dockerignore": "*.log", "x.log": "1"})
    before = archive(folder)
    write(folder, **{"x.log": "2"})
    assert archive(folder) == before


def test_an_ignored_dockerfile_is_sent_and_hidden_from_copy(folder: Path) -> None:
    write(folder, **{".dockerignore": "Dockerfile\n.dockerignore\n", "x": ""})
    packed = archive(folder)
    assert names(packed) == ["Dockerfile", "Dockerfile.dockerignore", "x"]
    hidden = content(packed, "Dockerfile.dockerignore")
    assert hidden == "Dockerfile\nDockerfile.dockerignore\n"


def test_an_ignored_folder_around_the_dockerfile_is_hidden_with_it(folder: Path) -> None:
    write(folder, **{".dockerignore": "docker", "docker__[prod]": "FROM scratch"})
    write(folder, docker__other="")
    packed = archive(folder, "docker/[prod]")
    assert names(packed) == [
        *(".dockerignore", "Dockerfile", "docker", "docker/[prod]"),
        "docker/[prod].dockerignore",
    ]
    assert content(packed, "docker/[prod].dockerignore") == (
        "docker\ndocker/\\[prod\\]\ndocker/\\[prod\\].dockerignore\n"
    )


def test_kaniko_is_kept_from_reading_dockerignore_its_own_way(folder: Path) -> None:
    # kaniko 1.24 and 1.28 would lose this file at COPY, by the older algorithm.
    write(folder, **{".dockerignore": "*\n!**/web", "util__docker__web__index.html": ""})
    packed = archive(folder)
    assert "util/docker/web/index.html" in names(packed)
    assert content(packed, "Dockerfile.dockerignore") == "Dockerfile\nDockerfile.dockerignore\n"


def test_without_patterns_nothing_is_added(folder: Path) -> None:
    write(folder, **{".dockerignore": "# nothing\n"})
    assert names(archive(folder)) == [".dockerignore", "Dockerfile"]


def test_the_dockerfiles_own_dockerignore_goes_first(folder: Path) -> None:
    write(folder, **{".dockerignore": "x", "Dockerfile.dockerignore": "y", "x": "", "y": ""})
    assert "x" in names(archive(folder))
    assert "y" not in names(archive(folder))


def test_a_linked_dockerfile_comes_with_all_that_leads_to_it(folder: Path) -> None:
    write(folder, **{"docker__prod": "FROM scratch", ".dockerignore": "docker\nbuild.docker"})
    (folder / "builds").symlink_to("docker")
    (folder / "build.docker").symlink_to("./builds/../builds/prod")
    packed = archive(folder, "build.docker")
    assert {"build.docker", "builds", "docker", "docker/prod"} < set(names(packed))
    hidden = content(packed, "build.docker.dockerignore").split()
    assert hidden == ["build.docker", "build.docker.dockerignore", "docker", "docker/prod"]


def test_a_dockerfile_may_be_named_with_dots(folder: Path) -> None:
    assert archive(folder, "./x/../Dockerfile") == archive(folder)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert message.startswith(f"{tmp_path / 'nowhere'}: there is no such directory")


def test_a_file_is_no_directory(folder: Path) -> None:
    assert "not a directory" in refusal(folder / "Dockerfile")


def test_a_missing_dockerfile_is_told_with_the_nearest_name(folder: Path) -> None:
    message = refusal(folder, "Dokerfile")
    assert f"{folder}: there is no Dokerfile in it; did you mean Dockerfile?" in message


@pytest.mark.parametrize("dockerfile", ["", ".", "sub"])
def test_a_folder_is_no_dockerfile(folder: Path, dockerfile: str) -> None:
    write(folder, sub__x="")
    assert "the Dockerfile is a directory" in refusal(folder, dockerfile)


def test_a_dockerfile_below_a_file_is_missing(folder: Path) -> None:
    assert "there is no Dockerfile/x in it" in refusal(folder, "Dockerfile/x")


@pytest.mark.parametrize("dockerfile", ["../Dockerfile", "/etc/hosts", "sub/../../x"])
def test_a_dockerfile_outside_the_context_is_refused(folder: Path, dockerfile: str) -> None:
    assert "leads out of the context" in refusal(folder, dockerfile)


@pytest.mark.parametrize("target", ["../Dockerfile", "/etc/hosts", "sub/../../app/Dockerfile"])
def test_a_dockerfile_that_links_out_of_the_context_is_refused(folder: Path, target: str) -> None:
    write(folder, sub__x="")
    (folder / "linked").symlink_to(target)
    assert "leads out of the context" in refusal(folder, "linked")


def test_a_dockerfile_that_links_to_itself_is_refused(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    assert "leads back to itself" in refusal(folder, "loop")


def test_a_link_out_of_the_context_is_refused(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("../../elsewhere")
    message = refusal(folder)
    assert message.startswith(
        f"{folder / 'sub' / 'up'}: this symbolic link leads out of the context"
    )
    write(folder, **{".dockerignore": "sub/up"})
    assert "sub" in names(archive(folder))


@pytest.mark.parametrize("kind", ["socket", "named pipe"])
def test_special_files_are_refused_by_name(kind: str) -> None:
    # A socket's path must be short, shorter than pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, Dockerfile="FROM scratch")
        with socket.socket(socket.AF_UNIX) as server:
            if kind == "socket":
                server.bind(str(folder / "s"))
            else:
                os.mkfifo(folder / "s")
        assert f"{folder / 's'}: this is a {kind}" in refusal(folder)
        write(folder, **{".dockerignore": "s"})
        assert "s" not in names(archive(folder))


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system takes UTF-8 alone")
def test_a_name_that_is_not_utf8_is_refused(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9")).write_text("")
    assert "not UTF-8" in refusal(folder)
    write(folder, **{".dockerignore": "caf?"})
    assert names(archive(folder)) == [".dockerignore", "Dockerfile", "Dockerfile.dockerignore"]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's right to read everything, where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("unreadable", ["secret", "sub"])
def test_what_cannot_be_read_is_told_by_name(unreadable: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, Dockerfile="FROM scratch", secret="", sub__x="")
        (folder / unreadable).chmod(0)
        with unprivileged():
            message = refusal(folder)
        assert message.startswith(f"{folder / unreadable}: this can't be read (Permission denied)")
        write(folder, **{".dockerignore": f"{unreadable}\n!**/kept"})
        with unprivileged():
            assert unreadable not in names(archive(folder))
        shutil.rmtree(folder / "sub")


def test_an_invalid_dockerignore_is_told_with_its_line(folder: Path) -> None:
    write(folder, **{".dockerignore": "a\n[\n"})
    assert refusal(folder).startswith(f"{folder / '.dockerignore'}:2: ")


def test_too_large_a_context_is_told_with_its_largest_files(folder: Path) -> None:
    noise = random.Random(1)
    for name, size in {"a": 700, "b": 300, "c": 200, "d": 100}.items():
        (folder / name).write_bytes(noise.randbytes(size * 1024))
    message = refusal(folder)
    assert f"{folder}: this context takes 1,3" in message
    assert f"holds {CONFIG_MAP_LIMIT:,}" in message
    assert "a (716,800 bytes), b (307,200 bytes), c (204,800 bytes)." in message
    assert ".dockerignore" in message
    assert "`workspace`" in message


def test_far_too_large_a_context_is_refused_before_all_of_it_is_compressed(folder: Path) -> None:
    noise = random.Random(1).randbytes(1024 * 1024)
    for index in range(20):
        (folder / f"{index}").write_bytes(noise)
    with (folder / "huge").open("wb") as huge:
        huge.truncate(1024**4)
    message = refusal(folder)
    assert "more than 1" in message
    assert "huge (1,099,511,627,776 bytes)" in message


def test_a_context_of_just_the_limit_is_packed(folder: Path) -> None:
    noise = random.Random(1).randbytes(CONFIG_MAP_LIMIT)
    (folder / "noise").write_bytes(noise[:1_000_000])
    room = CONFIG_MAP_LIMIT - len(archive(folder).data)
    (folder / "noise").write_bytes(noise[: 1_000_000 + room - 64])
    assert CONFIG_MAP_LIMIT - 512 < len(archive(folder).data) <= CONFIG_MAP_LIMIT
    (folder / "noise").write_bytes(noise)
    assert "this context takes 1,04" in refusal(folder)


def test_a_file_that_shrinks_while_it_is_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def longer(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[6] += 1
        return os.stat_result(found)

    monkeypatch.setattr("components.context.os.fstat", longer)
    assert "changed while it was read" in refusal(folder)
