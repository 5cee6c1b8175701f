"""Tables of builds, and what failed ones said."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.build_state import DIGEST, BuildState, State

FAILURE_LINES = 10
"""How many of kaniko's last lines are shown of a failed build."""


def newest(builds: Iterable[BuildState]) -> dict[str, BuildState]:
    """Pick the newest build of each image from builds in the order they started."""
    return {build.image: build for build in builds}


def results(
    digests: Mapping[str, str], builds: Mapping[str, BuildState], before: Iterable[str]
) -> Table:
    """Make the table that ends an `up`.

    Args:
        digests: image -> digest, empty where there is none.
        builds: image -> its newest build.
        before: Jobs that were there before.
    """
    earlier = set(before)
    table = _table("image", "digest", "result")
    for image in sorted({*digests, *builds}):
        build = builds.get(image)
        _add_row(table, image, digests.get(image) or "-", _result(build, earlier))
    return table


def _result(build: BuildState | None, earlier: set[str]) -> str:
    if build is None:
        return "not built"
    if build.state is State.FAILED:
        return f"failed after {duration(_age(build))}"
    if build.state is not State.COMPLETE:
        return str(build.state.value)
    if build.job in earlier:
        return "unchanged"
    return f"built in {duration(_age(build))}"


def status(builds: Sequence[BuildState]) -> Table:
    """Make the table of `make status`.

    Args:
        builds: in the order they started.
    """
    table = _table("image", "state", "step", "attempts", "age", "digest")
    for build in builds:
        since = datetime.now(UTC) - build.started
        words = (build.image, build.state.value, build.step, str(build.attempts))
        _add_row(table, *words, duration(since), build.digest or "-")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add_row(table: Table, *cells: str) -> None:
    # As Text: what kaniko writes may look like rich's markup.
    table.add_row(*(Text(cell) for cell in cells))


def failures(builds: Iterable[BuildState]) -> list[Text]:
    """Tell each failed build: its image, and the last lines that kaniko wrote."""
    told = []
    for build in builds:
        if build.state is State.FAILED:
            # kaniko leaves the digest there before it pushes; the step says what went wrong.
            written = "" if DIGEST.fullmatch(build.message) else build.message
            lines = written.splitlines()[-FAILURE_LINES:]
            if build.step not in lines:
                lines.append(build.step)
            head = f"image '{build.image}' failed in attempt {build.attempts}:"
            told.append(Text("\n".join([head, *(f"  {line}" for line in lines)])))
    return told


def console() -> Console:
    """Give the terminal, or plain lines wide enough for a digest where there is none."""
    made = Console(highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(highlight=False, width=200)


def _age(build: BuildState) -> timedelta:
    return (build.finished or datetime.now(UTC)) - build.started


def duration(of: timedelta) -> str:
    """Write a duration as `4s`, `3m20s`, `2h05m` or `3d04h`."""
    seconds = max(0, int(of.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes % 60:02}m"
    return f"{minutes}m{seconds % 60:02}s" if minutes else f"{seconds}s"
