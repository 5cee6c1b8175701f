"""Where the state is kept: the user's own choice, or a folder that only its owner can read."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.backend import backend, config_file, has_state, is_stale, locks

TRACKED = "config:\n  pulumi-kaniko:namespace: kaniko  # a comment\n"


@pytest.fixture
def checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a user who has never used Pulumi."""
    for variable in [name for name in os.environ if name.startswith("PULUMI_")]:
        monkeypatch.delenv(variable)
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (folder / "stacks").mkdir()
    (folder / "stacks/Pulumi.lab.yaml").write_text(TRACKED)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def logged_in(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "credentials.json").write_text(content)


def test_without_a_choice_the_state_is_in_the_checkout_for_its_owner_alone(checkout: Path) -> None:
    found = backend()
    assert found.own
    assert found.environment["PULUMI_BACKEND_URL"] == f"file://{checkout}/.pulumi/state"
    assert mode(checkout / ".pulumi") == 0o700


def test_a_folder_that_others_could_read_is_closed(checkout: Path) -> None:
    (checkout / ".pulumi").mkdir(mode=0o755)
    backend()
    assert mode(checkout / ".pulumi") == 0o700


def test_a_passphrase_is_made_once_and_kept_for_its_owner_alone(checkout: Path) -> None:
    found = backend().environment
    passphrase = Path(found["PULUMI_CONFIG_PASSPHRASE_FILE"])
    first = passphrase.read_text()
    assert len(first) >= 32
    assert mode(passphrase) == 0o600
    assert backend().environment == found
    assert passphrase.read_text() == first


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PULUMI_CONFIG_PASSPHRASE", ""), ("PULUMI_CONFIG_PASSPHRASE_FILE", "/own/file")],
)
def test_the_users_own_passphrase_is_respected(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert set(backend().environment) == {"PULUMI_BACKEND_URL"}
    assert not (checkout / ".pulumi/passphrase").exists()


def test_the_users_own_backend_is_respected(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://their-bucket")
    found = backend()
    assert (found.own, found.environment) == (False, {})
    assert not (checkout / ".pulumi").exists()


@pytest.mark.parametrize("variable", [None, "PULUMI_HOME"])
def test_a_user_who_is_logged_in_elsewhere_stays_there(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    home = checkout / "home/.pulumi"
    if variable:
        home = checkout / "elsewhere"
        monkeypatch.setenv(variable, str(home))
    logged_in(home, json.dumps({"current": "https://pulumi.example.com"}))
    assert not backend().own
    assert not (checkout / ".pulumi").exists()


@pytest.mark.parametrize("content", ["", "{}", '{"current": ""}', "no json", '{"accounts": {}}'])
def test_a_user_who_has_logged_out_has_chosen_nothing(checkout: Path, content: str) -> None:
    logged_in(checkout / "home/.pulumi", content)
    assert backend().own


def test_the_salt_is_never_written_into_the_tracked_stack_file(checkout: Path) -> None:
    backend()
    config_file("lab")
    # As `pulumi stack init` does in the scratch project.
    made = checkout / ".pulumi/project/Pulumi.lab.yaml"
    made.write_text("encryptionsalt: v1:salt:x\n")
    written = config_file("lab")
    assert (checkout / "stacks/Pulumi.lab.yaml").read_text() == TRACKED
    assert written.resolve().is_relative_to(checkout / ".pulumi")
    assert yaml.safe_load(written.read_text()) == {
        "config": {"pulumi-kaniko:namespace": "kaniko"},
        "encryptionsalt": "v1:salt:x",
    }


def test_a_change_of_the_stack_file_is_always_taken(checkout: Path) -> None:
    backend()
    config_file("lab")
    (checkout / "stacks/Pulumi.lab.yaml").write_text("config: {pulumi-kaniko:namespace: other}")
    text = config_file("lab").read_text()
    assert yaml.safe_load(text) == {"config": {"pulumi-kaniko:namespace": "other"}}


def test_a_stack_file_without_a_newline_at_its_end_takes_a_salt(checkout: Path) -> None:
    backend()
    (checkout / "stacks/Pulumi.lab.yaml").write_text("config: {}")
    config_file("lab")
    (checkout / ".pulumi/project/Pulumi.lab.yaml").write_text("encryptionsalt: v1:salt\n")
    assert yaml.safe_load(config_file("lab").read_text()) == {
        "config": {},
        "encryptionsalt": "v1:salt",
    }


def test_a_stack_file_with_a_salt_of_its_own_is_used_as_it_is(checkout: Path) -> None:
    backend()
    own = checkout / "stacks/Pulumi.lab.yaml"
    own.write_text(f"encryptionsalt: v1:own\n{TRACKED}")
    assert config_file("lab").resolve() == own


def test_the_scratch_project_has_the_name_of_the_real_one(checkout: Path) -> None:
    backend()
    config_file("lab")
    project = yaml.safe_load((checkout / ".pulumi/project/Pulumi.yaml").read_text())
    real = yaml.safe_load((Path(__file__).resolve().parents[2] / "Pulumi.yaml").read_text())
    assert project["name"] == real["name"]


def test_a_stack_is_known_by_its_state(checkout: Path) -> None:
    backend()
    assert not has_state("lab")
    state = checkout / ".pulumi/state/.pulumi/stacks/pulumi-kaniko"
    state.mkdir(parents=True)
    (state / "lab.json").touch()
    assert has_state("lab")
    assert not has_state("dev")


# --- locks ---------------------------------------------------------------------------------------


def lock(checkout: Path, content: str) -> Path:
    path = checkout / ".pulumi/state/.pulumi/locks/organization/pulumi-kaniko/lab/1-2-3.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return path


def test_the_lock_of_a_killed_run_is_stale(checkout: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    found = lock(checkout, json.dumps({"pid": ended.pid, "username": "me"}))
    assert [path.resolve() for path in locks()] == [found]
    assert is_stale(found)


def test_the_lock_of_a_run_that_goes_on_is_not_stale(checkout: Path) -> None:
    assert not is_stale(lock(checkout, json.dumps({"pid": os.getpid()})))


def test_the_lock_of_another_users_run_is_not_stale(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_stale(lock(checkout, json.dumps({"pid": 1})))


@pytest.mark.parametrize("content", ["", "{", "{}", '{"pid": "x"}'])
def test_a_lock_that_nobody_can_read_is_left_alone(checkout: Path, content: str) -> None:
    assert not is_stale(lock(checkout, content))


@pytest.mark.parametrize("content", ["[]", "7", '{"pid": null}'])
def test_a_lock_of_another_shape_is_left_alone(checkout: Path, content: str) -> None:
    assert not is_stale(lock(checkout, content))


def test_a_lock_that_is_gone_meanwhile_is_left_alone(checkout: Path) -> None:
    assert not is_stale(checkout / "gone.json")


def test_without_a_state_there_is_no_lock(checkout: Path) -> None:
    assert locks() == []


def test_the_lock_of_a_killed_run_that_nobody_has_waited_for_is_stale(checkout: Path) -> None:
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)

    assert is_stale(lock(checkout, json.dumps({"pid": dead.pid})))
    dead.wait()
