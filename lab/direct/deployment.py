"""What the engine and its providers do with one resource, done on the lab."""

from typing import NamedTuple

from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from lab.direct import objects
from lab.direct.cluster import Cluster
from lab.direct.memory import Memory, stash_key
from lab.direct.objects import DirectError, Naming, Object, Step
from lab.direct.report import Report
from lab.direct.wire import holds_unknown


class Made(NamedTuple):
    """What became of a resource: its ID (none in a preview of a new one), outputs and step."""

    id: str
    outputs: Object
    step: Step


class Deployment:
    """Makes the cluster what the program says, or, in a preview, only says how it would."""

    def __init__(self, cluster: Cluster, report: Report, preview: bool) -> None:
        self.cluster = cluster
        self.memory = Memory(cluster)
        self._report = report
        self._preview = preview
        self._kept: set[str] = set()

    def stash(self, urn: str, inputs: Object, trigger: object, ignored: set[str]) -> Made:
        """Keep a value as `pulumi.Stash` does: the first one, until the trigger changes."""
        if "input" not in inputs:
            raise DirectError("a Stash needs an input")
        key = stash_key(urn)
        remembered = self.memory.read(key)
        value = {"trigger": objects.digest(trigger), "input": inputs["input"]}
        if remembered is None or remembered["trigger"] != value["trigger"]:
            step = Step.CREATE if remembered is None else Step.REPLACE
            value["output"] = value["input"]
        else:
            value["output"] = remembered["output"]
            if "input" in ignored:
                value["input"] = remembered["input"]
            step = Step.SAME if value == remembered else Step.UPDATE
        if step is not Step.SAME and not self._preview:
            self.memory.write(key, value)
        return Made(key, {"input": value["input"], "output": value["output"]}, step)

    def apply(
        self, urn: str, name: str, inputs: Object, trigger: object, ignored: set[str]
    ) -> Made:
        """Make a Kubernetes object what the program says, and wait until it is ready.

        Args:
            urn: of the resource.
            name: its logical name, from which an object without a name gets one.
            inputs: the object.
            trigger: `replacement_trigger`.
            ignored: `ignore_changes`, top-level keys only.

        Raises:
            DirectError: it failed, or cannot be done here.
        """
        if nested := sorted(key for key in ignored if "." in key or "[" in key):
            raise DirectError(f"ignoreChanges of {nested[0]}: only whole top-level keys, here")
        marked = objects.marked(inputs, self.cluster.stack, urn, trigger)
        desired = self.cluster.in_namespace(marked)
        naming = objects.naming(desired)
        if naming is Naming.BY_CONTENT:
            content = {**inputs, "trigger": trigger}
            desired["metadata"]["name"] = objects.content_name(name, content)
        live, others = self._present(urn, desired, naming)
        # What failed is worth nothing; what succeeded stays until the new one has, too.
        failed = [obj for obj in others if objects.condition(obj, "Failed")]
        if not self._preview:
            self.cluster.delete(failed)
        made = None
        if live is not None and not objects.must_replace(desired, live):
            desired["metadata"]["name"] = live["metadata"]["name"]
            made = self._update(desired, live, ignored)
        if made is None:
            step = Step.REPLACE if live or others else Step.CREATE
            if self._preview:
                # The cluster adds to the metadata (uid): those are not known before.
                return Made("", without(desired, {"metadata"}), step)
            self._report.begin(urn, step)
            if live and naming is Naming.FIXED:
                self.cluster.delete([live])
            elif naming is Naming.FRESH:
                desired["metadata"]["name"] = objects.fresh_name(name)
                others += [live] if live else []
            made = self._ready(self.cluster.apply(desired), step)
        if naming is Naming.FRESH and not self._preview:
            self.cluster.delete(obj for obj in others if obj not in failed)
        return made

    def remove_all_but(self, urns: set[str]) -> None:
        """Delete what the program no longer has: other resources, and older objects of these."""
        doomed = [
            obj
            for obj in self.cluster.owned()
            if objects.annotation(obj, objects.URN) not in urns
            or not (self._preview or obj["metadata"]["uid"] in self._kept)
        ]
        if not self._preview:
            self.cluster.delete(doomed)
            self.memory.keep_only({stash_key(urn) for urn in urns})
        for obj in doomed:
            self._report.end(objects.annotation(obj, objects.URN) or "", Step.DELETE)

    def _present(
        self, urn: str, desired: Object, naming: Naming
    ) -> tuple[Object | None, list[Object]]:
        """Return the live object to go on with, and what else the resource has."""
        if naming is Naming.FIXED:
            return self._named(desired), []
        siblings = self._siblings(urn, desired)
        if naming is Naming.BY_CONTENT:
            same = (o for o in siblings if o["metadata"]["name"] == desired["metadata"]["name"])
            live = next(same, None)
        else:
            live = objects.best(siblings, desired)
        return live, [obj for obj in siblings if obj != live]

    def _named(self, desired: Object) -> Object | None:
        """Return the live object of this name, refusing one that is not the stack's."""
        metadata = desired["metadata"]
        if holds_unknown([metadata["name"], metadata.get("namespace")]):
            return None
        live = self.cluster.live(desired)
        if live is None or not live["metadata"].get("deletionTimestamp"):
            if live is not None and not objects.is_owned(live, self.cluster.stack):
                raise DirectError("already exists, and this stack did not make it")
            return live
        if not self._preview:
            self.cluster.wait_until_gone(live)
        return None

    def _siblings(self, urn: str, desired: Object) -> list[Object]:
        """Return the objects that this resource has in the cluster already."""
        namespace = desired["metadata"].get("namespace")
        if holds_unknown(namespace):
            return []
        found = self.cluster.select(
            desired["apiVersion"],
            desired["kind"],
            f"{objects.LABEL}={self.cluster.stack}",
            namespace,
        )
        return [
            obj
            for obj in found
            if objects.annotation(obj, objects.URN) == urn
            and not obj["metadata"].get("deletionTimestamp")
        ]

    def _update(self, desired: Object, live: Object, ignored: set[str]) -> Made | None:
        """Update a live object in place; None where the API server says that it cannot be."""
        if holds_unknown(desired):
            return Made(object_id(live), {**live, **without(desired, {"metadata"})}, Step.UPDATE)
        try:
            if ignored:
                updated = self.cluster.patch(live, without(desired, ignored), self._preview)
            else:
                updated = self.cluster.apply(desired, self._preview)
        except UnprocessibleEntityError as error:
            if not is_immutable(error):
                raise
            return None
        step = Step.SAME if same_content(live, updated) else Step.UPDATE
        if self._preview:
            return Made(object_id(live), updated, step)
        return self._ready(updated, step)

    def _ready(self, obj: Object, step: Step) -> Made:
        ready = self.cluster.wait_until_ready(obj)
        self._kept.add(ready["metadata"]["uid"])
        return Made(object_id(ready), ready, step)


def object_id(obj: Object) -> str:
    """Return the ID that Pulumi gives to an object."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def without(obj: Object, keys: set[str]) -> Object:
    """Return the object without some of its top-level keys."""
    return {key: value for key, value in obj.items() if key not in keys}


def same_content(before: Object, after: Object) -> bool:
    """Tell whether an update changed anything that people write."""
    counters = {"resourceVersion", "generation"}
    return without(before["metadata"], counters) == without(after["metadata"], counters) and (
        without(before, {"metadata", "status"}) == without(after, {"metadata", "status"})
    )


def is_immutable(error: UnprocessibleEntityError) -> bool:
    """Tell whether the API server refused an update of a field that cannot change."""
    text = str(error.body).lower()
    return "immutable" in text or "forbidden" in text
