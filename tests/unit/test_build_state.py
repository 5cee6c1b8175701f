"""What a build is doing, told from the objects that Kubernetes has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.build_state import (
    BuildState,
    State,
    build_state,
    current_step,
    failure_line,
    has_ended,
    pod_digest,
)
from components.labels import BUILD_KEY, DESTINATION, INSTANCE, PART_OF

Object = dict[str, Any]

DIGEST = "sha256:" + "a" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(seconds=90)


def job(
    *conditions: tuple[str, str], failed: int = 0, message: str = "", reason: str = ""
) -> Object:
    """A Job as the API server gives it: what is empty isn't there."""
    more = given(message=message, reason=reason)
    told = [
        {"type": type_, "status": status, "lastTransitionTime": written(END), **more}
        for type_, status in conditions
    ]
    return {
        "metadata": {
            "name": "hello-1a2b",
            "uid": "uid-of-hello",
            "creationTimestamp": written(START),
            "labels": {INSTANCE: "hello", PART_OF: "pulumi-kaniko.lab"},
            "annotations": {BUILD_KEY: "v1-0", DESTINATION: "registry.example.com/hello:latest"},
        },
        "status": given(failed=failed, conditions=told),
    }


def pod(
    phase: str,
    *,
    scheduled: bool = True,
    age: int = 0,
    waiting: tuple[str, str] | None = None,
    terminated: tuple[str, str] | None = None,
    reason: str = "",
    message: str = "",
) -> Object:
    """A pod; `age` is how many seconds before the end it started."""
    state: Object = {}
    if waiting:
        state["waiting"] = given(reason=waiting[0], message=waiting[1])
    if terminated:
        code = 0 if phase == "Succeeded" else 1
        state["terminated"] = {
            "exitCode": code,
            **given(reason=terminated[0], message=terminated[1]),
        }
    return {
        "metadata": {
            "name": "hello",
            "creationTimestamp": written(END - timedelta(seconds=age)),
            "labels": {},
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": str(scheduled)}],
            **given(reason=reason, message=message),
            **({"containerStatuses": [{"name": "kaniko", "state": state}]} if state else {}),
        },
    }


def given(**fields: object) -> Object:
    return {key: value for key, value in fields.items() if value}


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def told(job: Object, *pods: Object, log: str = "") -> tuple[State, str]:
    found = build_state(job, list(pods), log)
    return found.state, found.step


def test_a_build_without_a_pod_is_queued() -> None:
    assert told(job()) == (State.QUEUED, "")


def test_a_pod_that_waits_for_a_node_is_queued() -> None:
    assert told(job(), pod("Pending", scheduled=False)) == (State.QUEUED, "")


def test_a_pod_that_waits_for_its_image_is_pulling() -> None:
    assert told(job(), pod("Pending")) == (State.PULLING, "")
    assert told(job(), pod("Pending", waiting=("ContainerCreating", ""))) == (State.PULLING, "")


def test_a_pull_that_fails_says_why() -> None:
    refused = pod("Pending", waiting=("ErrImagePull", "no such host"))
    assert told(job(), refused) == (State.PULLING, "ErrImagePull: no such host")
    bare = pod("Pending", waiting=("CreateContainerConfigError", ""))
    assert told(job(), bare) == (State.PULLING, "CreateContainerConfigError")


def test_a_running_build_shows_its_dockerfile_step() -> None:
    log = "INFO[0001] FROM busybox\nINFO[0002] RUN make all\n"
    assert told(job(), pod("Running"), log=log) == (State.BUILDING, "RUN make all")


def test_a_build_that_has_not_written_anything_yet_is_building() -> None:
    assert told(job(), pod("Running")) == (State.BUILDING, "")


def test_a_push_is_told_from_building() -> None:
    log = "INFO[0003] RUN make\nINFO[0009] Pushing image to registry.example.com/hello:latest\n"
    assert told(job(), pod("Running"), log=log) == (State.PUSHING, "pushing")


def test_a_failed_attempt_that_is_not_the_last_is_retrying() -> None:
    failed = pod("Failed", terminated=("Error", "error building image: exit status 3"))
    assert told(job(failed=1), failed) == (State.RETRYING, "error building image: exit status 3")


def test_the_wait_between_two_attempts_is_retrying() -> None:
    waits = (State.RETRYING, "waiting for the next attempt")
    assert told(job(failed=1)) == waits
    assert told(job(failed=1), pod("Pending", scheduled=False)) == waits


def test_a_second_attempt_that_runs_is_building_again() -> None:
    failed = pod("Failed", terminated=("Error", "x"), age=60)
    found = build_state(job(failed=1), [failed, pod("Running")], "INFO[0001] RUN make")
    assert (found.state, found.step, found.attempts) == (State.BUILDING, "RUN make", 2)


@pytest.mark.parametrize("first", ["SuccessCriteriaMet", "Complete"])
def test_a_complete_build_is_complete_whichever_condition_comes_first(first: str) -> None:
    conditions = [(first, "True"), ("Complete", "True")]
    found = build_state(job(*conditions), [pod("Succeeded", terminated=("Completed", DIGEST))])
    assert (found.state, found.digest, found.finished) == (State.COMPLETE, DIGEST, END)


def test_a_failed_build_is_failed_whichever_condition_comes_first() -> None:
    failed = job(("FailureTarget", "True"), ("Failed", "True"), failed=4)
    assert told(failed, pod("Failed", terminated=("Error", "boom"))) == (State.FAILED, "boom")


@pytest.mark.parametrize("condition", ["SuccessCriteriaMet", "FailureTarget", "Suspended"])
def test_a_condition_that_only_announces_the_end_is_not_the_end(condition: str) -> None:
    found = build_state(job((condition, "True")), [pod("Running")], "")
    assert (found.state, found.finished) == (State.BUILDING, None)
    assert not has_ended(job((condition, "True")))


def test_a_condition_that_does_not_hold_is_none() -> None:
    assert not has_ended(job(("Complete", "False"), ("Failed", "Unknown")))
    assert has_ended(job(("Complete", "False"), ("Failed", "True")))


def test_the_digest_is_that_of_the_attempt_that_succeeded() -> None:
    other = "sha256:" + "b" * 64
    pods = [
        pod("Failed", terminated=("Error", other), age=60),
        pod("Succeeded", terminated=("Completed", DIGEST)),
    ]
    assert pod_digest(pods) == DIGEST
    assert build_state(job(("Complete", "True"), failed=1), pods).digest == DIGEST


@pytest.mark.parametrize("phase", ["Failed", "Running", "Pending"])
def test_a_pod_that_did_not_succeed_has_no_digest(phase: str) -> None:
    # kaniko writes the digest before it pushes: a ref made from it could be pulled by nobody.
    assert pod_digest([pod(phase, terminated=("Error", DIGEST))]) == ""


@pytest.mark.parametrize("message", ["", "sha256:abc", f"{DIGEST}0", f"pushed {DIGEST}"])
def test_what_is_no_digest_is_not_taken_for_one(message: str) -> None:
    assert pod_digest([pod("Succeeded", terminated=("Completed", message))]) == ""


def test_a_complete_build_whose_pod_is_gone_has_no_digest() -> None:
    assert build_state(job(("Complete", "True")), []).digest == ""


def test_a_failed_build_with_a_digest_has_failed_in_the_push() -> None:
    failed = pod("Failed", terminated=("Error", DIGEST))
    found = build_state(job(("Failed", "True"), failed=4), [failed])
    assert found.state is State.FAILED
    assert found.step == "the push failed; the end of the log says why"
    assert found.digest == ""


def test_a_build_that_ran_out_of_memory_says_so() -> None:
    killed = pod("Failed", terminated=("OOMKilled", "INFO[0002] RUN make"))
    assert failure_line(killed) == "OOMKilled"


def test_an_evicted_build_says_so() -> None:
    evicted = pod("Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert failure_line(evicted) == "Evicted: The node was low on resource: memory."


def test_a_failure_without_a_pod_is_told_by_its_job() -> None:
    late = job(("Failed", "True"), message="Job was active longer", reason="DeadlineExceeded")
    assert told(late) == (State.FAILED, "Job was active longer")
    assert told(job(("Failed", "True"), reason="DeadlineExceeded"))[1] == "DeadlineExceeded"
    assert told(job(("Failed", "True"))) == (State.FAILED, "")


def test_a_build_that_ran_out_of_time_says_so_even_after_failed_attempts() -> None:
    # Kubernetes removes the pod that runs at the deadline; an earlier attempt's pod is still there.
    message = "Job was active longer than specified deadline"
    late = job(("Failed", "True"), failed=2, message=message, reason="DeadlineExceeded")
    assert told(late, pod("Failed", terminated=("Error", "exit status 3")))[1] == message


def test_a_failed_builds_message_is_that_of_its_last_attempt() -> None:
    pods = [
        pod("Failed", terminated=("Error", "first")),
        pod("Failed", terminated=("Error", "one\nlast"), age=-9),
    ]
    found = build_state(job(("Failed", "True"), failed=2), pods)
    assert (found.message, found.step, found.attempts) == ("one\nlast", "last", 2)


def test_attempts_are_counted_when_their_pods_are_gone() -> None:
    assert build_state(job(("Failed", "True"), failed=4), []).attempts == 4


def test_objects_that_nobody_has_filled_in_yet_are_no_error() -> None:
    bare = {"metadata": job()["metadata"]}
    assert build_state(bare, []).state is State.QUEUED
    assert not has_ended(bare)
    new = {"metadata": pod("Pending")["metadata"], "status": {}}
    assert build_state(bare, [new]).state is State.QUEUED


def test_a_build_is_told_whole() -> None:
    assert build_state(job(), []) == BuildState(
        image="hello",
        state=State.QUEUED,
        step="",
        attempts=0,
        started=START,
        finished=None,
        message="",
        digest="",
        build_key="v1-0",
        destination="registry.example.com/hello:latest",
        job="hello-1a2b",
        part_of="pulumi-kaniko.lab",
    )


@pytest.mark.parametrize(
    ("last", "step"),
    [
        ("INFO[0000] Retrieving image manifest busybox:stable", "pulling the base image"),
        ("INFO[0001] Unpacking rootfs as cmd RUN make requires it.", "unpacking the base image"),
        ("INFO[0002] RUN make -j2", "RUN make -j2"),
        ("INFO[0002] COPY --chown=1:1 a /a", "COPY --chown=1:1 a /a"),
        ("INFO[0002] Taking snapshot of full filesystem...", "taking a snapshot"),
        ("INFO[0003] Pushing image to registry.example.com/hello", "pushing"),
        ("INFO[0003] Pushed registry.example.com/hello@sha256:0", "pushed"),
        ("WARN[0003] RUN odd", "RUN odd"),
    ],
)
def test_the_last_known_line_of_the_log_is_the_step(last: str, step: str) -> None:
    around = (
        f"INFO[0000] Resolved base name\n{last}\nhello from make\nINFO[0009] Skipping nothing\n"
    )
    assert current_step(around) == step


@pytest.mark.parametrize(
    "log", ["", "\n", "RUN make", "hello", "INFO[0001] RUNNING", "INFO[x] RUN make"]
)
def test_a_line_of_somebody_else_is_no_step(log: str) -> None:
    # What a RUN prints stands in the same log.
    assert current_step(log) == ""
