"""Which engine runs the program, on machines with and without the Pulumi CLI."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli import engine as module
from cli.engine import DirectEngine, engine, prepare_engine
from cli.errors import CliError

Machine = Callable[[str | None, bool], list[str]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Say whether the CLI is on PATH and whether it can be installed; notes what is installed."""
    monkeypatch.delenv("ENGINE", raising=False)

    def is_one(cli: str | None, can_install: bool) -> list[str]:
        done: list[str] = []

        def install() -> bool:
            done.append("cli")
            return can_install

        monkeypatch.setattr(module, "pulumi", lambda: cli)
        monkeypatch.setattr(module, "_install", install)
        monkeypatch.setattr(module, "_install_plugin", lambda: done.append("plugin"))
        return done

    return is_one


@pytest.mark.parametrize("stack", ["lab", "local", "dev"])
def test_the_cli_that_is_there_is_used(machine: Machine, stack: str) -> None:
    done = machine("/usr/bin/pulumi", False)
    assert prepare_engine(stack) == "pulumi"
    assert done == ["plugin"]


@pytest.mark.parametrize("stack", ["lab", "local"])
def test_a_missing_cli_is_installed(machine: Machine, stack: str) -> None:
    done = machine(None, True)
    assert prepare_engine(stack) == "pulumi"
    assert done == ["cli", "plugin"]


def test_where_the_cli_cannot_be_had_the_lab_is_deployed_directly_and_says_so(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine(None, False)
    assert prepare_engine("lab") == "direct"
    (line,) = capsys.readouterr().out.splitlines()
    assert "can't be downloaded from here: the lab deploys the same program directly" in line


def test_where_the_cli_cannot_be_had_any_other_stack_says_how_to_get_it(machine: Machine) -> None:
    machine(None, False)
    with pytest.raises(CliError, match=r"needed for the stack 'local'.*install it \(https://"):
        prepare_engine("local")


def test_a_forced_cli_is_not_replaced_by_the_direct_deployment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(None, False)
    monkeypatch.setenv("ENGINE", "pulumi")
    with pytest.raises(CliError, match="is needed for the stack 'lab'"):
        prepare_engine("lab")


def test_the_direct_deployment_can_be_forced_on_the_lab_and_installs_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = machine("/usr/bin/pulumi", True)
    monkeypatch.setenv("ENGINE", "direct")
    assert prepare_engine("lab") == "direct"
    assert done == []


def test_the_direct_deployment_is_refused_elsewhere(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("/usr/bin/pulumi", True)
    monkeypatch.setenv("ENGINE", "direct")
    with pytest.raises(CliError, match="ENGINE=direct works on the lab only; the stack is 'dev'"):
        prepare_engine("dev")


def test_an_unknown_engine_is_refused_with_those_that_there_are(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("/usr/bin/pulumi", True)
    monkeypatch.setenv("ENGINE", "terraform")
    with pytest.raises(CliError, match="ENGINE is 'terraform'; it can be pulumi or direct"):
        prepare_engine("lab")


def test_the_chosen_engine_is_given() -> None:
    assert isinstance(engine("direct", "lab"), DirectEngine)


def test_a_cli_that_an_earlier_run_has_installed_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", str(folder / "empty"))
    assert module.pulumi() is None
    installed = folder / ".pulumi/versions" / module.CLI_VERSION / "bin/pulumi"
    installed.parent.mkdir(parents=True)
    installed.touch(mode=0o755)
    assert module.pulumi() == str(installed)
