"""What a person sees while the lab works."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lab import progress
from lab.progress import Report


def report(times: Path, terminal: bool = False) -> tuple[Report, io.StringIO]:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=120, highlight=False)
    return Report(times, console), shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.4, "12 s"), (59.4, "59 s"), (62.0, "1:02"), (7200.0, "120:00")],
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text


def test_plain_lines_say_what_is_done_and_how_long_it_took(tmp_path: Path) -> None:
    told, shown = report(tmp_path / "times.json")

    with told.step("Build it"):
        pass

    assert shown.getvalue().splitlines() == ["Build it ...", "Build it: 0.0 s"]


def test_the_last_duration_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text('{"Build it": 422.0}')
    told, shown = report(tmp_path / "times.json")

    with told.step("Build it"):
        pass

    assert "Build it ... (last time 7:02)" in shown.getvalue()
    assert told.last_time("Build it") == 0.0


def test_a_step_that_fails_is_not_remembered(tmp_path: Path) -> None:
    told, shown = report(tmp_path / "times.json")

    with pytest.raises(ValueError, match="broken"), told.step("Build it"):
        raise ValueError("broken")

    assert told.last_time("Build it") is None
    assert "Build it:" not in shown.getvalue()


def test_a_long_step_says_that_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.01)
    told, shown = report(tmp_path / "times.json")

    with told.step("Build it"):
        while "Build it ... 0.0 s" not in shown.getvalue():
            pass


def test_a_terminal_shows_a_bar_with_the_last_duration(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text('{"Build it": 422.0}')
    told, shown = report(tmp_path / "times.json", terminal=True)

    with told.step("Build it"), told.step("Build more"):
        while "last time 7:02" not in shown.getvalue():
            pass

    assert "Build more" in shown.getvalue()


def test_a_damaged_memory_of_durations_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text("{")
    told, _ = report(tmp_path / "times.json")

    with told.step("Build it"):
        pass

    assert told.last_time("Build it") == 0.0
