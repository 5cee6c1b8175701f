"""The tables and texts that a person reads after `make up` and `make status`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from rich.table import Table

from cli.report import FAILURE_LINES, duration, failures, newest, results, status
from components.build_state import BuildState, State

DIGEST = "sha256:" + "a" * 64
NOW = datetime.now(UTC)

BUILD = BuildState(
    image="hello",
    state=State.COMPLETE,
    step="",
    attempts=1,
    started=NOW - timedelta(seconds=100),
    finished=NOW - timedelta(seconds=96),
    message="",
    digest=DIGEST,
    build_key="v1-0",
    destination="registry.example.com/hello:latest",
    job="hello-1",
    part_of="pulumi-kaniko.lab",
)
FAILED = replace(BUILD, state=State.FAILED, digest="", step="exit status 3", message="one\ntwo")


def rows(table: Table, width: int = 200) -> list[list[str]]:
    """The lines of a table as they are printed where there is no terminal."""
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return [line.split() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (4, "4s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (200, "3m20s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (7500, "2h05m"),
        (86399, "23h59m"),
        (86400, "1d00h"),
        (273600, "3d04h"),
    ],
)
def test_a_duration_is_short_at_any_length(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_the_newest_build_of_each_image_counts() -> None:
    older, other = replace(BUILD, job="hello-0"), replace(BUILD, image="greeter")
    assert newest([older, other, BUILD]) == {"hello": BUILD, "greeter": other}


def test_an_image_that_was_built_now_says_how_long_it_took() -> None:
    table = rows(results({"hello": DIGEST}, {"hello": BUILD}, before=[]))
    assert table == [["image", "digest", "result"], ["hello", DIGEST, "built", "in", "4s"]]


def test_an_image_whose_job_was_there_before_is_unchanged() -> None:
    (_, row) = rows(results({"hello": DIGEST}, {"hello": BUILD}, before=["hello-1"]))
    assert row == ["hello", DIGEST, "unchanged"]


def test_a_failed_image_says_so_and_has_no_digest() -> None:
    (_, row) = rows(results({"hello": ""}, {"hello": FAILED}, before=[]))
    assert row == ["hello", "-", "failed", "after", "4s"]


def test_an_image_that_failed_before_and_was_not_tried_again_is_still_failed() -> None:
    (_, row) = rows(results({"hello": ""}, {"hello": FAILED}, before=["hello-1"]))
    assert "failed" in row


def test_an_image_that_never_got_a_job_is_not_built() -> None:
    (_, row) = rows(results({"greeter": ""}, {}, before=[]))
    assert row == ["greeter", "-", "not", "built"]


def test_every_image_has_a_row_whether_known_by_the_catalogue_or_by_the_cluster() -> None:
    table = rows(results({"b": DIGEST}, {"a": replace(BUILD, image="a")}, before=[]))
    assert [row[0] for row in table] == ["image", "a", "b"]


def test_a_digest_is_never_cut_where_there_is_no_terminal() -> None:
    assert DIGEST in rows(results({"hello": DIGEST}, {"hello": BUILD}, before=[]), width=200)[1]


def test_the_status_shows_state_step_attempts_age_and_digest() -> None:
    running = replace(
        BUILD, state=State.BUILDING, step="RUN make", attempts=2, digest="", finished=None
    )
    started = datetime.now(UTC) - timedelta(hours=2, minutes=5, seconds=30)
    table = rows(status([replace(build, started=started) for build in (running, BUILD)]))
    assert table[0] == ["image", "state", "step", "attempts", "age", "digest"]
    assert table[1] == ["hello", "building", "RUN", "make", "2", "2h05m", "-"]
    assert table[2] == ["hello", "complete", "1", "2h05m", DIGEST]


def test_a_step_with_brackets_is_shown_as_it_is() -> None:
    # rich takes `[/]` and the like for its own markup.
    step = 'ENTRYPOINT ["/bin/sh", "[/]", "[red]x"]'
    running = replace(BUILD, state=State.BUILDING, step=step)
    assert step.split() == rows(status([running]))[1][2:-3]


def test_a_failure_names_the_image_and_gives_the_last_lines_of_kaniko() -> None:
    lines = [f"line {number}" for number in range(30)]
    (told,) = failures(
        [BUILD, replace(FAILED, message="\n".join(lines), step=lines[-1], attempts=4)]
    )
    head, *rest = told.plain.splitlines()
    assert head == "image 'hello' failed in attempt 4:"
    assert rest == [f"  {line}" for line in lines[-FAILURE_LINES:]]


def test_a_failure_without_a_message_gives_its_reason() -> None:
    (told,) = failures([replace(FAILED, message="", step="DeadlineExceeded")])
    assert told.plain.splitlines()[1:] == ["  DeadlineExceeded"]


def test_a_failed_push_is_not_told_as_a_digest() -> None:
    push = "the push failed; the end of the log says why"
    (told,) = failures([replace(FAILED, message=DIGEST, step=push)])
    assert push in told.plain
    assert DIGEST not in told.plain


def test_a_build_that_ran_out_of_memory_is_told_so() -> None:
    (told,) = failures([replace(FAILED, message="INFO[0002] RUN make", step="OOMKilled")])
    assert "OOMKilled" in told.plain


def test_lines_of_a_failure_with_brackets_are_shown_as_they_are() -> None:
    (told,) = failures([replace(FAILED, message="error: [/not markup]")])
    assert "  error: [/not markup]" in told.plain


def test_without_a_failure_nothing_is_told() -> None:
    assert failures([BUILD]) == []
