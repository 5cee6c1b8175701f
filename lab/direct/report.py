"""What a person sees of a deployment: plain lines, like Pulumi's own non-interactive output."""

import threading
from collections import Counter

from pulumi.runtime.proto import engine_pb2

from lab.direct.objects import Step


class Report:
    """Prints lines as they come, and knows at the end what failed."""

    def __init__(self, preview: bool = False) -> None:
        self._preview = preview
        self.failures: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        """Print one line, whole, whatever other threads print."""
        with self._lock:
            print(text, flush=True)

    def begin(self, urn: str, step: Step) -> None:
        """Say that a step begins."""
        self.line(f" {step.symbol:<2} {title(urn)} {step.begun}")

    def end(self, urn: str, step: Step, seconds: float = 0) -> None:
        """Say that a step has ended (or, in a preview, what it would be), and count it."""
        word = step.plan if self._preview else step.done
        self._counts[word] += 1
        took = f" ({seconds:.1f}s)" if seconds >= 1 else ""
        self.line(f" {step.symbol:<2} {title(urn)} {word}{took}")

    def failed(self, urn: str, reason: str) -> None:
        """Say that a resource failed; the reason comes again in the summary."""
        self.failures[urn] = reason
        self._counts["failed"] += 1
        self.line(f" !  {title(urn)} failed: {reason.splitlines()[0]}")

    def skipped(self, urn: str) -> None:
        """Say that a resource was left out, since it needs one that failed."""
        self._counts["skipped"] += 1
        self.line(f"    {title(urn)} skipped")

    def message(self, urn: str, text: str) -> None:
        """Print a message of the program, unless the resource's last one was the same."""
        with self._lock:
            if self._last.get(urn) == text:
                return
            self._last[urn] = text
        lead = f"{title(urn)}: " if urn else ""
        for line in text.splitlines():
            self.line(f"    {lead}{line}")

    def summary(self) -> None:
        """Print the reasons of what failed, and how many resources met which end."""
        for urn, reason in self.failures.items():
            self.line(f"error: {title(urn)}: {reason}")
        self.line(", ".join(f"{count} {what}" for what, count in self._counts.items()) or "nothing")


class Engine:
    """The engine as programs know it: a log, and a version that is new enough.

    The version passes because this deployment honours `replacementTrigger`.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def Log(self, request: engine_pb2.LogRequest) -> None:
        """Print a message of `pulumi.log`."""
        if request.severity == engine_pb2.DEBUG:
            return
        level = {engine_pb2.WARNING: "warning: ", engine_pb2.ERROR: "error: "}
        self._report.message(request.urn, level.get(request.severity, "") + request.message)

    def RequirePulumiVersion(self, request: engine_pb2.RequirePulumiVersionRequest) -> None:
        """Accept every version."""


def title(urn: str) -> str:
    """Return a resource's kind and name, such as `Job hello`."""
    parts = urn.split("::")
    return f"{parts[2].split(':')[-1]} {parts[3]}"
