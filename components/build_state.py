"""What a build is doing, told from its Job, its newest pod and the end of its log."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from .labels import BUILD_KEY, DESTINATION, INSTANCE, PART_OF

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_LOG_LINE = re.compile(r"^(?:INFO|WARN)\[\d+\] (?P<text>.+)$")
_INSTRUCTION = re.compile(
    r"^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|RUN|SHELL|USER|VOLUME|WORKDIR)\b"
)
_PHASES = {
    "Retrieving image": "pulling the base image",
    "Unpacking rootfs": "unpacking the base image",
    "Taking snapshot": "taking a snapshot",
    "Pushing image": "pushing",
    "Pushed": "pushed",
}


class State(Enum):
    """A build's state, as people call it."""

    QUEUED = "queued"
    PULLING = "pulling"
    BUILDING = "building"
    PUSHING = "pushing"
    RETRYING = "retrying"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class BuildState:
    """One build at one moment.

    Attributes:
        image: the image's name.
        state: what it is doing.
        step: the Dockerfile step or phase while it runs, or why it failed; may be empty.
        attempts: pods started so far.
        started: when the Job was made.
        finished: when it completed or failed.
        message: the last lines that a failed build wrote.
        digest: of the pushed image, once complete and while its pod is there.
        build_key: of this build.
        destination: where it is pushed to.
        job: the Job's name.
        part_of: the stack, as `PROJECT.STACK`.
    """

    image: str
    state: State
    step: str
    attempts: int
    started: datetime
    finished: datetime | None
    message: str
    digest: str
    build_key: str
    destination: str
    job: str
    part_of: str


def build_state(job: Any, pods: list[Any], log: str = "") -> BuildState:
    """Tell one build's state.

    Args:
        job: a `V1Job` of the Kubernetes client.
        pods: all the `V1Pod`s of this Job that are still there.
        log: the end of the newest pod's log, if it runs.
    """
    newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp, default=None)
    ended = condition(job, "Complete", "Failed")
    annotations = job.metadata.annotations or {}
    failed = job.status.failed or 0
    started = len(pods) or failed + (job.status.active or 0) + (job.status.succeeded or 0)
    if ended is None:
        state, step = _running(newest, log, retrying=failed > 0)
    elif ended.type == "Complete":
        state, step = State.COMPLETE, ""
    else:
        state, step = State.FAILED, failure_line(newest) or ended.message or ended.reason or ""
    return BuildState(
        image=job.metadata.labels[INSTANCE],
        state=state,
        step=step,
        attempts=started,
        started=job.metadata.creation_timestamp,
        finished=ended.last_transition_time if ended else None,
        message=_terminated(newest, "message") if state is State.FAILED and newest else "",
        digest=pod_digest(pods) if state is State.COMPLETE else "",
        build_key=annotations.get(BUILD_KEY, ""),
        destination=annotations.get(DESTINATION, ""),
        job=job.metadata.name,
        part_of=job.metadata.labels[PART_OF],
    )


def has_ended(job: Any) -> bool:
    """Say whether a `V1Job` has completed or failed."""
    return condition(job, "Complete", "Failed") is not None


def condition(job: Any, *types: str) -> Any | None:
    """Find a Job's condition that holds.

    From Kubernetes 1.31 on the first condition of a finished Job is another one, so its place
    says nothing.

    Args:
        job: a `V1Job`.
        types: such as `Complete`, `Failed`.
    """
    for found in job.status.conditions or []:
        if found.type in types and found.status == "True":
            return found
    return None


def _running(pod: Any | None, log: str, *, retrying: bool) -> tuple[State, str]:
    if pod is None or (pod.status.phase == "Pending" and not _scheduled(pod)):
        return (State.RETRYING, "waiting for the next attempt") if retrying else (State.QUEUED, "")
    if pod.status.phase == "Pending":
        return State.PULLING, _waiting(pod)
    if pod.status.phase == "Failed":
        return State.RETRYING, failure_line(pod)
    step = current_step(log)
    return (State.PUSHING if step.startswith("push") else State.BUILDING), step


def _scheduled(pod: Any) -> bool:
    return any(c.type == "PodScheduled" and c.status == "True" for c in pod.status.conditions or [])


def _waiting(pod: Any) -> str:
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting
        if waiting and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting.reason}: {waiting.message or ''}".rstrip(": ")
    return ""


def current_step(log: str) -> str:
    """Find what kaniko is doing in the end of its log.

    Args:
        log: lines as `--log-format=text` writes them.

    Returns:
        The Dockerfile instruction or the phase in words; empty when nothing is known yet.
    """
    for line in reversed(log.splitlines()):
        match = _LOG_LINE.match(line)
        text = match["text"] if match else ""
        if _INSTRUCTION.match(text):
            return text
        for beginning, words in _PHASES.items():
            if text.startswith(beginning):
                return words
    return ""


def pod_digest(pods: list[Any]) -> str:
    """Read the digest that kaniko left as the termination message of the pod that succeeded."""
    for pod in pods:
        message = _terminated(pod, "message") if pod.status.phase == "Succeeded" else ""
        if DIGEST.fullmatch(message):
            return message
    return ""


def failure_line(pod: Any | None) -> str:
    """Say in one line why a pod failed: its reason, or the last line that kaniko wrote."""
    if pod is None:
        return ""
    if pod.status.reason:
        return f"{pod.status.reason}: {pod.status.message or ''}".rstrip(": ")
    reason = _terminated(pod, "reason")
    lines = _terminated(pod, "message").splitlines()
    if reason not in ("", "Error"):
        return reason
    # The digest is written before the push, so here it only says that the push failed.
    if lines and DIGEST.fullmatch(lines[-1]):
        return "the push failed; the end of the log says why"
    return lines[-1] if lines else ""


def _terminated(pod: Any, field: str) -> str:
    for status in pod.status.container_statuses or []:
        if status.state.terminated:
            return (getattr(status.state.terminated, field) or "").strip()
    return ""
