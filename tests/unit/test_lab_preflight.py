"""What the lab says about a machine that lacks something: one line each, with the way out."""

import ipaddress
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cgroups, preflight, processes
from lab.errors import LabError


@pytest.fixture(autouse=True)
def _suitable_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Succeeded())
    monkeypatch.setattr(cgroups, "controllers", lambda: {"cpu", "memory", "pids"})
    monkeypatch.setattr(preflight, "CERTIFICATES", tmp_path)
    monkeypatch.setattr(preflight, "_routes", list)
    monkeypatch.setattr(processes, "labs", dict)


class Succeeded:
    returncode = 0


def only_problem(**arguments: int) -> str:
    (problem,) = preflight.problems(**arguments)
    return problem


def test_nothing_is_said_about_a_suitable_machine() -> None:
    assert preflight.problems(disk=0) == []
    preflight.refuse([])


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert "Use a Linux machine" in only_problem()


def test_root_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "run it as root or with sudo" in only_problem(disk=0)


def test_a_container_that_may_not_make_namespaces_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failed:
        returncode = 1

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Failed())

    assert "privileged container" in only_problem(disk=0)


def test_missing_programs_come_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        shutil, "which", lambda name: None if name in ("nsenter", "mount") else name
    )

    assert "Missing: mount, nsenter. Run `apt-get install mount util-linux`." in only_problem(
        disk=0
    )


def test_a_machine_without_apt_is_told_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    assert "use Debian or Ubuntu" in only_problem(disk=0)


def test_missing_certificates_come_with_their_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight, "CERTIFICATES", tmp_path / "none")
    monkeypatch.setenv("SSL_CERT_FILE", "/some/file")
    assert preflight.problems(disk=0) == []

    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert "apt-get install ca-certificates" in only_problem(disk=0)


def test_missing_cgroup_controllers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "controllers", lambda: {"cpu", "pids"})

    problem = only_problem(disk=0)
    assert "No cgroup controller memory" in problem
    assert "cgroup_enable=memory" in problem


def test_too_little_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    problem = only_problem(disk=10**18)

    assert f"free in {tmp_path}" in problem
    assert "1000000000.0 GB are needed" in problem
    assert "set LAB_HOME" in problem


def test_a_used_address_range_names_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ipaddress.IPv4Network("198.18.0.0/24")
    monkeypatch.setattr(preflight, "_routes", lambda: [("vpn0", network)])

    assert "in use by vpn0" in only_problem(disk=0)


def test_another_lab_is_named_with_the_command_that_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "labs", lambda: {Path("/other/run"): 1})

    assert "`LAB_HOME=/other python -m lab down`" in only_problem(disk=0)


def test_a_folder_that_can_not_be_mounted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", "/some where")

    assert "choose a path without spaces" in only_problem(disk=0)


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cgroups, "controllers", set)
    problems = preflight.problems(disk=10**18)

    assert len(problems) == 3
    with pytest.raises(LabError) as raised:
        preflight.refuse(problems)
    assert str(raised.value).splitlines()[1:] == problems
