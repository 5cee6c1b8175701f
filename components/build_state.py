"""What a build is doing, told from its Job, its newest pod and the end of its log."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .api import Object
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


def build_state(job: Object, pods: list[Object], log: str = "") -> BuildState:
    """Tell one build's state.

    Args:
        job: a Job, as the API server's JSON.
        pods: all pods of this Job that are still there, likewise.
        log: the end of the newest pod's log, if it runs.
    """
    metadata, status = job["metadata"], job.get("status", {})
    newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)
    ended = condition(job, "Complete", "Failed")
    failed = status.get("failed", 0)
    message = ""
    if ended is None:
        state, step = _running(newest, log, retrying=failed > 0)
    elif ended["type"] == "Complete":
        state, step = State.COMPLETE, ""
    else:
        state = State.FAILED
        late = ended.get("reason") == "DeadlineExceeded"
        told = ended.get("message") or ended.get("reason", "")
        step = told if late else failure_line(newest) or told
        message = _terminated(newest, "message")
    return BuildState(
        image=metadata["labels"][INSTANCE],
        state=state,
        step=step,
        attempts=len(pods) or failed + status.get("active", 0) + status.get("succeeded", 0),
        started=_time(metadata["creationTimestamp"]),
        finished=_time(ended["lastTransitionTime"]) if ended else None,
        message=message,
        digest=pod_digest(pods) if state is State.COMPLETE else "",
        build_key=metadata.get("annotations", {}).get(BUILD_KEY, ""),
        destination=metadata.get("annotations", {}).get(DESTINATION, ""),
        job=metadata["name"],
        part_of=metadata["labels"][PART_OF],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def has_ended(job: Object) -> bool:
    """Say whether a Job has completed or failed."""
    return condition(job, "Complete", "Failed") is not None


def condition(of: Object, *types: str) -> Object | None:
    """Find a condition that holds.

    From Kubernetes 1.31 on the first condition of a finished Job is another one than `Complete` or
    `Failed`, so its place says nothing.

    Args:
        of: a Job or a pod, as the API server's JSON.
        types: such as `Complete`, `Failed`.
    """
    conditions: list[Object] = of.get("status", {}).get("conditions", [])
    holding = (found for found in conditions if found["status"] == "True")
    return next((found for found in holding if found["type"] in types), None)


def _running(pod: Object | None, log: str, *, retrying: bool) -> tuple[State, str]:
    phase = _phase(pod)
    if pod is None or (phase == "Pending" and not condition(pod, "PodScheduled")):
        return (State.RETRYING, "waiting for the next attempt") if retrying else (State.QUEUED, "")
    if phase == "Pending":
        return State.PULLING, _waiting(pod)
    if phase == "Failed":
        return State.RETRYING, failure_line(pod)
    step = current_step(log)
    return (State.PUSHING if step.startswith("push") else State.BUILDING), step


def _phase(pod: Object | None) -> str:
    return str(pod.get("status", {}).get("phase", "Pending")) if pod else ""


def _containers(pod: Object | None, kind: str) -> list[Object]:
    """Give the container states of one kind: `waiting` or `terminated`."""
    statuses = pod["status"].get("containerStatuses", []) if pod else []
    return [status["state"][kind] for status in statuses if kind in status.get("state", {})]


def _waiting(pod: Object) -> str:
    for waiting in _containers(pod, "waiting"):
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
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


def pod_digest(pods: list[Object]) -> str:
    """Read the digest that kaniko left as the termination message of the pod that succeeded."""
    messages = (_terminated(pod, "message") for pod in pods if _phase(pod) == "Succeeded")
    return next((message for message in messages if DIGEST.fullmatch(message)), "")


def failure_line(pod: Object | None) -> str:
    """Say in one line why a pod failed: its reason, or the last line that kaniko wrote."""
    if pod is None:
        return ""
    if reason := pod["status"].get("reason"):
        return f"{reason}: {pod['status'].get('message', '')}".rstrip(": ")
    reason = _terminated(pod, "reason")
    lines = _terminated(pod, "message").splitlines()
    if reason not in ("", "Error"):
        return reason
    # The digest is written before the push, so here it only says that the push failed.
    if lines and DIGEST.fullmatch(lines[-1]):
        return "the push failed; the end of the log says why"
    return lines[-1] if lines else ""


def _terminated(pod: Object | None, field: str) -> str:
    ended = _containers(pod, "terminated")
    return str(ended[0].get(field, "")).strip() if ended else ""
