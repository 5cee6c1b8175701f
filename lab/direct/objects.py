"""Names, marks and decisions on Kubernetes objects: no cluster needed."""

import hashlib
import json
import secrets
from enum import Enum
from typing import Any

from lab.errors import LabError

Object = dict[str, Any]

LABEL = "pulumi-kaniko/direct"
URN = "pulumi-kaniko/urn"
TRIGGER = "pulumi-kaniko/trigger"


class DirectError(LabError):
    """Something the direct deployment cannot or must not do, in words for a person."""


class Step(Enum):
    """What happens to a resource: the symbol and the words of Pulumi's own output."""

    CREATE = ("+", "create", "creating", "created")
    UPDATE = ("~", "update", "updating", "updated")
    REPLACE = ("+-", "replace", "replacing", "replaced")
    DELETE = ("-", "delete", "deleting", "deleted")
    SAME = ("", "keep", "keeping", "unchanged")

    def __init__(self, symbol: str, plan: str, begun: str, done: str) -> None:
        self.symbol = symbol
        self.plan = plan
        self.begun = begun
        self.done = done


class Naming(Enum):
    """Where an object's name comes from."""

    FIXED = "the program"
    BY_CONTENT = "its content: Pulumi replaces such objects when their data change"
    FRESH = "chance, once: the object is found again by its URN"


def naming(desired: Object) -> Naming:
    """Tell where the object's name comes from."""
    if "name" in desired["metadata"]:
        return Naming.FIXED
    by_content = desired["kind"] in {"ConfigMap", "Secret"}
    return Naming.BY_CONTENT if by_content else Naming.FRESH


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_name(logical_name: str, inputs: Object) -> str:
    """Name an object after its content: the same content is the same object."""
    content = {key: value for key, value in inputs.items() if key != "metadata"}
    return f"{logical_name}-{digest(content)[:8]}"


def fresh_name(logical_name: str) -> str:
    """Name an object that must not meet an older one."""
    return f"{logical_name}-{secrets.token_hex(4)}"


def marked(inputs: Object, stack: str, urn: str, trigger: Any) -> Object:
    """Return the object with the marks by which a later run finds it again."""
    metadata = dict(inputs.get("metadata") or {})
    annotations = {**(metadata.get("annotations") or {}), URN: urn}
    if trigger is not None:
        annotations[TRIGGER] = digest(trigger)
    metadata["annotations"] = annotations
    metadata["labels"] = {**(metadata.get("labels") or {}), LABEL: stack}
    return {**inputs, "metadata": metadata}


def annotation(obj: Object, key: str) -> str | None:
    """Return an annotation of an object, or None."""
    value: str | None = (obj["metadata"].get("annotations") or {}).get(key)
    return value


def is_owned(obj: Object, stack: str) -> bool:
    """Tell whether the stack made the object.

    The label alone is not enough: controllers copy a Service's labels to its EndpointSlices.
    """
    metadata = obj["metadata"]
    return bool(
        (metadata.get("labels") or {}).get(LABEL) == stack
        and annotation(obj, URN)
        and not metadata.get("ownerReferences")
    )


def condition(obj: Object, kind: str) -> Object | None:
    """Return the condition of this type if it is true.

    A finished Job has others as well, and in any order (`SuccessCriteriaMet` comes first).
    """
    conditions: list[Object] = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def must_replace(desired: Object, live: Object) -> bool:
    """Tell whether Pulumi would replace the live object rather than update it."""
    failed = desired["kind"] == "Job" and condition(live, "Failed") is not None
    if failed and annotation(desired, "pulumi.com/replaceUnready") == "true":
        return True
    return annotation(desired, TRIGGER) != annotation(live, TRIGGER)


def best(candidates: list[Object], desired: Object) -> Object | None:
    """Choose the object to go on with, when a failed replacement left several behind.

    After `change -> failed build -> revert` that is the older one, whose trigger is the old one.
    """
    newest_first = sorted(
        candidates, key=lambda obj: str(obj["metadata"]["creationTimestamp"]), reverse=True
    )
    return next(
        (obj for obj in newest_first if not must_replace(desired, obj)),
        newest_first[0] if newest_first else None,
    )
