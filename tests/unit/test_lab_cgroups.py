"""The lab's control groups in both kinds of hierarchy, on folders that stand for them."""

from pathlib import Path

import pytest

from lab import addresses, cgroups
from lab.errors import LabError


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with cgroup v2."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for folder in (tmp_path, tmp_path / addresses.CGROUP):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids rdma\n")
        (folder / "cgroup.procs").write_text("")
    return tmp_path


@pytest.fixture
def separate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with cgroup v1."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for name in ("cpu,cpuacct", "cpuset", "memory", "pids"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    return tmp_path


def test_controllers_are_found_in_both_kinds(unified: Path) -> None:
    assert cgroups.is_unified()
    assert {"cpu", "memory", "pids"} <= cgroups.controllers()


def test_controllers_that_share_a_hierarchy_are_told_apart(separate: Path) -> None:
    assert not cgroups.is_unified()
    assert cgroups.controllers() == {"cpu", "cpuacct", "cpuset", "memory", "pids"}


def test_controllers_are_passed_on_to_the_lab_and_its_pods(unified: Path) -> None:
    cgroups.create()

    for folder in (unified, unified / addresses.CGROUP):
        passed_on = (folder / "cgroup.subtree_control").read_text()
        assert passed_on == "+cpuset +cpu +io +memory +pids"


def test_controllers_that_can_not_be_passed_on_are_explained(unified: Path) -> None:
    (unified / "cgroup.subtree_control").mkdir()

    with pytest.raises(LabError, match="use the cgroup namespace of the host"):
        cgroups.create()


def test_the_subtree_is_made_in_each_hierarchy_and_removed(separate: Path) -> None:
    (separate / "cpuset/cpuset.cpus").write_text("0-1")
    (separate / "cpuset" / addresses.CGROUP).mkdir()
    (separate / "cpuset" / addresses.CGROUP / "cpuset.cpus").write_text("")

    cgroups.create()

    names = ["cpu,cpuacct", "cpuset", "memory", "pids"]
    assert all((separate / name / addresses.CGROUP).is_dir() for name in names)
    assert (separate / "cpuset" / addresses.CGROUP / "cpuset.cpus").read_text() == "0-1"

    (separate / "cpuset" / addresses.CGROUP / "cpuset.cpus").unlink()
    (separate / "memory" / addresses.CGROUP / "kubepods/pod1").mkdir(parents=True)
    assert cgroups.remove()
    assert cgroups.remaining() == []
