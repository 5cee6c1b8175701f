"""What a person sees while the lab works: a bar on a terminal, plain lines elsewhere."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from lab import files

HEARTBEAT_SECONDS = 60.0


def clock(seconds: float) -> str:
    """Write a duration as people say it.

    Args:
        seconds: The duration.

    Returns:
        Such as `0.4 s`, `12 s` or `7:02`.
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class _Clock(ProgressColumn):
    def render(self, task: Task) -> Text:
        last = task.fields.get("last")
        return Text(clock(task.elapsed or 0.0) + (f" (last time {clock(last)})" if last else ""))


class Report:
    """Tells about steps, and remembers how long each took.

    Args:
        times: The file in which the durations are kept.
        console: Where to write; a terminal gets a bar.
    """

    def __init__(self, times: Path, console: Console | None = None) -> None:
        self._times = times
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Clock(),
            console=self._console,
            transient=True,
        )

    def say(self, line: str) -> None:
        """Write one line."""
        self._console.print(line, markup=False)

    def last_time(self, step: str) -> float | None:
        """Give the seconds a step took when it last succeeded."""
        try:
            return float(json.loads(self._times.read_text())[step])
        except (OSError, ValueError, KeyError):
            return None

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        """Show a step while the block runs, and say how long it took.

        Args:
            step: What is being done, such as `Build kubernetes 1.34.4`.
        """
        last, started = self.last_time(step), time.monotonic()
        with self._shown(step, last):
            yield
        seconds = time.monotonic() - started
        self._remember(step, seconds)
        self.say(f"{step}: {clock(seconds)}")

    @contextmanager
    def _shown(self, step: str, last: float | None) -> Iterator[None]:
        if self._console.is_terminal:
            with self._bar(step, last):
                yield
        else:
            self.say(f"{step} ..." + (f" (last time {clock(last)})" if last else ""))
            with self._heartbeat(step):
                yield

    @contextmanager
    def _bar(self, step: str, last: float | None) -> Iterator[None]:
        task = self._bars.add_task(step, total=last, last=last)
        finished = threading.Event()

        def advance() -> None:
            started = time.monotonic()
            while not finished.wait(0.2):
                seconds = time.monotonic() - started
                self._bars.update(task, completed=min(seconds, (last or seconds) * 0.99))

        thread = threading.Thread(target=advance, daemon=True)
        with self._lock:
            self._bars.start()
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()
            with self._lock:
                self._bars.remove_task(task)
                if not self._bars.tasks:
                    self._bars.stop()

    @contextmanager
    def _heartbeat(self, step: str) -> Iterator[None]:
        finished = threading.Event()

        def beat() -> None:
            started = time.monotonic()
            while not finished.wait(HEARTBEAT_SECONDS):
                self.say(f"{step} ... {clock(time.monotonic() - started)}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def _remember(self, step: str, seconds: float) -> None:
        with self._lock:
            try:
                times = json.loads(self._times.read_text())
            except (OSError, ValueError):
                times = {}
            files.write_json(self._times, {**times, step: round(seconds, 1)})
