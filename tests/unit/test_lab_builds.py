"""The lab's builds: what names them, and that a kill never leaves half of one."""

import dataclasses
import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from lab import files, gotools, paths, versions
from lab.errors import LabError
from lab.progress import Report


def test_a_build_is_named_by_version_and_toolchain() -> None:
    key = gotools.KANIKO.key("go1.26.6")

    assert key.startswith(f"kaniko-{versions.KANIKO}-go1.26.6-")
    assert key == gotools.KANIKO.key("go1.26.6")


@pytest.mark.parametrize(
    "change",
    [
        {"version": "9.9.9"},
        {"main": "package main"},
        {"packages": ("cmd/other",)},
        {"variables": (("main.version", "1"),)},
        {"requires": (("example.com/m", "v1.0.0"),)},
    ],
)
def test_whatever_goes_into_a_build_changes_its_name(change: dict[str, object]) -> None:
    changed = dataclasses.replace(gotools.KANIKO, **change)  # type: ignore[arg-type]

    assert changed.key("go1.26.6") != gotools.KANIKO.key("go1.26.6")


def test_another_toolchain_is_another_build() -> None:
    assert gotools.KANIKO.key("go1.26.6") != gotools.KANIKO.key("go1.27.0")


def test_kubernetes_requires_each_of_its_libraries_at_the_matching_version() -> None:
    lines = gotools.KUBERNETES.go_mod().splitlines()

    assert f"\tk8s.io/kubernetes v{versions.KUBERNETES}" in lines
    assert f"\tk8s.io/client-go v{versions.KUBERNETES_LIBRARIES}" in lines
    assert versions.KUBERNETES.split(".")[1:] == versions.KUBERNETES_LIBRARIES.split(".")[1:]


def test_kubernetes_reports_its_version() -> None:
    flags = gotools.KUBERNETES.linker_flags()

    assert f"-X k8s.io/component-base/version.gitVersion=v{versions.KUBERNETES}" in flags


@pytest.mark.parametrize(
    ("version", "number"),
    [("go1.26.6", (1, 26)), ("go1.9", (1, 9)), ("devel +1234", (0, 0)), ("", (0, 0))],
)
def test_a_go_version_is_compared_by_its_numbers(version: str, number: tuple[int, int]) -> None:
    assert gotools.version_number(version) == number


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "build"

    with files.whole_folder(folder) as unfinished:
        (unfinished / "program").write_text("x")
        assert not folder.exists()

    assert [path.name for path in tmp_path.iterdir()] == ["build"]
    assert (folder / "program").read_text() == "x"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), files.whole_folder(tmp_path / "build"):
        raise ValueError("broken")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".build.killed").mkdir()

    with files.whole_folder(tmp_path / "build"):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["build"]


def test_a_file_keeps_its_old_content_or_has_the_new(tmp_path: Path) -> None:
    files.write(tmp_path / "new/file", "old")
    files.write(tmp_path / "new/file", "new", 0o600)

    assert (tmp_path / "new/file").read_text() == "new"
    assert (tmp_path / "new/file").stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_lab_home_is_in_the_cache_of_the_user_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert paths.home() == Path("/somewhere/cache/pulumi-kaniko-lab")

    monkeypatch.setenv("LAB_HOME", "/else/where")
    assert paths.home() == Path("/else/where")


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in the place of the Go command."""
    script = tmp_path / "go"
    script.touch(0o755)
    toolchain = gotools.Toolchain(script, "go1.26.6")
    monkeypatch.setattr(gotools, "toolchain", lambda: toolchain)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    return script


def test_a_tool_is_built_once(go: Path, tmp_path: Path) -> None:
    go.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    report = Report(tmp_path / "times.json", Console(file=io.StringIO()))

    gotools.build([gotools.COREDNS], report)
    gotools.build([gotools.COREDNS], report)

    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("build -mod=mod -trimpath")
    assert gotools.missing([gotools.COREDNS]) == []
    source = gotools.folder_of(gotools.COREDNS) / "source"
    assert "github.com/coredns/coredns/plugin/kubernetes" in (source / "main.go").read_text()


def test_a_build_that_fails_stops_the_others_and_shows_the_last_lines(
    go: Path, tmp_path: Path
) -> None:
    go.write_text(
        "#!/bin/sh\n"
        'case "$PWD" in *kaniko*) echo "main.go:1: no such thing" >&2; exit 1 ;; esac\n'
        "exec sleep 60\n"
    )
    report = Report(tmp_path / "times.json", Console(file=io.StringIO()))
    started = time.monotonic()

    with pytest.raises(LabError, match=r"(?s)Building kaniko .* failed:.*no such thing"):
        gotools.build(gotools.ALL, report)

    assert time.monotonic() - started < 10
    assert gotools.missing(gotools.ALL) == list(gotools.ALL)
    assert not list(paths.builds().iterdir())
