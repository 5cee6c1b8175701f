"""When an object is ready: the rules that Pulumi waits by."""

from collections.abc import Callable
from typing import Any

from lab.direct.objects import DirectError, Object, annotation, condition

Lookup = Callable[..., Any]

TIMEOUT = 600
GRACE = 60
"""A Job's own deadline ends it; this is how much later we stop believing that it does."""


def timeout(obj: Object) -> float:
    """Return for how many seconds the object is waited for."""
    deadline = (obj.get("spec") or {}).get("activeDeadlineSeconds") if is_job(obj) else None
    return TIMEOUT if deadline is None else float(deadline) + GRACE


def is_job(obj: Object) -> bool:
    """Tell whether the object is a Job."""
    return bool(obj["kind"] == "Job")


def waits_for(
    obj: Object,
    endpoint_slices: Callable[[], list[Object]],
    binding_mode: Callable[[str | None], str | None],
    pods: Callable[[], list[Object]],
) -> str | None:
    """Say what a live object still waits for, or None once it is ready.

    Args:
        obj: the live object.
        endpoint_slices: lists those of a Service.
        binding_mode: returns the volume binding mode of a storage class.
        pods: lists those of a Job.

    Raises:
        DirectError: it will never be ready.
    """
    if annotation(obj, "pulumi.com/skipAwait") == "true":
        return None
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    match obj["kind"]:
        case "Job":
            if failure := condition(obj, "Failed"):
                raise DirectError(job_failure(failure, pods()))
            return None if condition(obj, "Complete") else "the Job's end"
        case "Namespace":
            return None if status.get("phase") == "Active" else "the namespace to be active"
        case "Deployment" | "StatefulSet":
            return rollout(obj, spec.get("replicas", 1), "updatedReplicas", "availableReplicas")
        case "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0)
            return rollout(obj, wanted, "updatedNumberScheduled", "numberAvailable")
        case "Service":
            if not spec.get("selector") or spec.get("type") == "ExternalName":
                return None
            return None if has_endpoint(endpoint_slices()) else "a pod behind the Service"
        case "PersistentVolumeClaim":
            if status.get("phase") == "Bound":
                return None
            # Such a claim is bound by the first pod that uses it, which may come later.
            late = binding_mode(spec.get("storageClassName")) == "WaitForFirstConsumer"
            return None if late else "the claim to be bound"
    return None


def rollout(obj: Object, wanted: int, updated: str, available: str) -> str | None:
    """Say what a rollout still waits for."""
    status = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "the rollout to start"
    if status.get(updated, 0) < wanted or status.get(available, 0) < wanted:
        return f"the rollout: {status.get(available, 0)} of {wanted} pods available"
    if status.get("replicas", wanted) > wanted:
        return "the pods of the older revision to go"
    return None


def has_endpoint(slices: list[Object]) -> bool:
    """Tell whether a pod stands behind a Service."""
    endpoints = [endpoint for part in slices for endpoint in part.get("endpoints") or []]
    return any((e.get("conditions") or {}).get("ready", True) for e in endpoints)


def job_failure(failure: Object, pods: list[Object]) -> str:
    """Say why a Job failed: its condition, and what its last pod said at its end."""
    said = [failure.get("message") or failure.get("reason") or "the Job failed"]
    if pods:
        last = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        said += termination_messages(last)
    return "\n".join(said)


def termination_messages(pod: Object) -> list[str]:
    """Return what the failed containers of a pod said at their end."""
    status = pod.get("status") or {}
    containers = (status.get("initContainerStatuses") or []) + (
        status.get("containerStatuses") or []
    )
    ends = [(c.get("state") or {}).get("terminated") or {} for c in containers]
    return [
        (end.get("message") or f"{end.get('reason', 'Error')}: exit code {end['exitCode']}").strip()
        for end in ends
        if end.get("exitCode")
    ]
