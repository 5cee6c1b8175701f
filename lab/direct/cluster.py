"""The lab's API server: read, apply, delete and wait."""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError
from kubernetes.dynamic.resource import ResourceList
from urllib3.exceptions import HTTPError

from lab.addresses import NODE
from lab.direct import ready
from lab.direct.objects import LABEL, DirectError, Object, is_owned

FIELD_MANAGER = "pulumi-kaniko-direct"
CONNECTIONS = 100
SLOWEST_POLL = 2.0


@contextmanager
def connect(stack: str) -> Iterator["Cluster"]:
    """Connect to the cluster of the current kubeconfig.

    Raises:
        DirectError: it is not the lab, or cannot be reached.
    """
    configuration = Configuration()
    try:
        load_kube_config(client_configuration=configuration)
    except ConfigException as error:
        raise DirectError(f"no kubeconfig: {error}") from error
    require_lab(configuration.host)
    # Its warnings of each attempt to connect would only hide our own line.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration.connection_pool_maxsize = CONNECTIONS
    configuration.proxy = None
    # The client caches what the API server serves in a file; a lab made anew may serve another.
    with tempfile.TemporaryDirectory() as folder:
        try:
            client: Any = DynamicClient(
                ApiClient(configuration), cache_file=f"{folder}/discovery.json"
            )
        except HTTPError as error:
            raise DirectError(
                f"the API server {configuration.host} does not answer: is the lab up?"
            ) from error
        yield Cluster(client, stack)


def require_lab(server: str) -> None:
    """Refuse an API server that is not the lab's.

    Raises:
        DirectError: it is another one.
    """
    if urlsplit(server).hostname != NODE:
        raise DirectError(
            f"the direct deployment works on the lab ({NODE}) only, not on {server}: "
            "other clusters need the Pulumi CLI"
        )


class Cluster:
    """Objects of one stack in the lab, as plain dicts."""

    def __init__(self, client: Any, stack: str) -> None:
        self.stack = stack
        self.interrupted = threading.Event()
        self._client = client
        self._discovery = threading.Lock()

    def kind(self, api_version: str, kind: str) -> Any:
        """Return the client's handle of a kind.

        Raises:
            DirectError: the API server does not know it.
        """
        with self._discovery:
            try:
                return self._client.resources.get(api_version=api_version, kind=kind)
            except ResourceNotFoundError as error:
                raise DirectError(f"the API server knows no {kind} of {api_version}") from error

    def in_namespace(self, obj: Object) -> Object:
        """Return the object with the namespace that it lands in."""
        if not self.kind(obj["apiVersion"], obj["kind"]).namespaced:
            return obj
        return {**obj, "metadata": {"namespace": "default", **obj["metadata"]}}

    def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> Object | None:
        """Return a live object, or None."""
        try:
            found = self.kind(api_version, kind).get(name=name, namespace=namespace)
        except NotFoundError:
            return None
        return plain(found)

    def live(self, obj: Object) -> Object | None:
        """Return what has the object's kind, namespace and name now, or None."""
        metadata = obj["metadata"]
        return self.get(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace"))

    def select(
        self, api_version: str, kind: str, selector: str, namespace: str | None = None
    ) -> list[Object]:
        """Return the objects of a kind that carry these labels."""
        return items(self.kind(api_version, kind), selector, namespace)

    def apply(self, obj: Object, dry_run: bool = False) -> Object:
        """Apply an object by server-side apply."""
        handle = self.kind(obj["apiVersion"], obj["kind"])
        return plain(
            handle.server_side_apply(
                body=obj,
                namespace=obj["metadata"].get("namespace"),
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
                **({"dry_run": "All"} if dry_run else {}),
            )
        )

    def patch(self, live: Object, change: Object, dry_run: bool = False) -> Object:
        """Merge a change into a live object."""
        metadata = live["metadata"]
        return plain(
            self.kind(live["apiVersion"], live["kind"]).patch(
                body=change,
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                content_type="application/merge-patch+json",
                field_manager=FIELD_MANAGER,
                **({"dry_run": "All"} if dry_run else {}),
            )
        )

    def owned(self) -> list[Object]:
        """Return every object that the stack made, of whatever kind."""
        found: dict[str, Object] = {}
        for handles in self._client.resources:
            for handle in handles:
                if isinstance(handle, ResourceList) or not handle.preferred:
                    continue
                if {"list", "delete"} <= set(handle.verbs):
                    for obj in items(handle, f"{LABEL}={self.stack}"):
                        # Some objects (Events) are served by two groups.
                        found.setdefault(obj["metadata"]["uid"], obj)
        return [obj for obj in found.values() if is_owned(obj, self.stack)]

    def delete(self, objects: Iterable[Object]) -> None:
        """Delete objects and wait until they are gone, namespaces last."""
        objects = list(objects)
        namespaces = [obj for obj in objects if obj["kind"] == "Namespace"]
        for group in ([obj for obj in objects if obj["kind"] != "Namespace"], namespaces):
            for obj in group:
                self._delete(obj)
            for obj in group:
                self.wait_until_gone(obj)

    def _delete(self, obj: Object) -> None:
        metadata = obj["metadata"]
        try:
            self.kind(obj["apiVersion"], obj["kind"]).delete(
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                body={"propagationPolicy": "Foreground", "preconditions": {"uid": metadata["uid"]}},
            )
        except NotFoundError:
            return

    def wait_until_gone(self, obj: Object) -> None:
        """Wait until the object is deleted."""

        def still_there() -> str | None:
            live = self.live(obj)
            there = live is not None and live["metadata"]["uid"] == obj["metadata"]["uid"]
            return "its deletion" if there else None

        self._wait(obj, ready.TIMEOUT, still_there)

    def wait_until_ready(self, obj: Object) -> Object:
        """Wait as Pulumi would, and return the live object.

        Raises:
            DirectError: it failed, or was not ready in time.
        """
        latest = obj

        def not_ready() -> str | None:
            nonlocal latest
            latest = self.live(obj) or {}
            if not latest or latest["metadata"]["uid"] != obj["metadata"]["uid"]:
                raise DirectError("it was deleted while it was waited for")
            return self._waits_for(latest)

        if self._waits_for(latest):
            self._wait(obj, ready.timeout(obj), not_ready)
        return latest

    def _waits_for(self, obj: Object) -> str | None:
        metadata = obj["metadata"]
        namespace = metadata.get("namespace")
        return ready.waits_for(
            obj,
            endpoint_slices=lambda: self.select(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                f"kubernetes.io/service-name={metadata['name']}",
                namespace,
            ),
            binding_mode=self._binding_mode,
            pods=lambda: self.select(
                "v1", "Pod", f"batch.kubernetes.io/controller-uid={metadata['uid']}", namespace
            ),
        )

    def _binding_mode(self, storage_class: str | None) -> str | None:
        if not storage_class:
            return None
        found = self.get("storage.k8s.io/v1", "StorageClass", storage_class)
        return found.get("volumeBindingMode") if found else None

    def _wait(self, obj: Object, timeout: float, check: Callable[[], str | None]) -> None:
        deadline = time.monotonic() + timeout
        pause = 0.2
        while (missing := check()) is not None:
            if time.monotonic() > deadline:
                raise DirectError(f"after {timeout:.0f} s it still waits for {missing}")
            if self.interrupted.wait(pause):
                raise DirectError(f"interrupted while it waited for {missing}")
            pause = min(pause * 1.5, SLOWEST_POLL)


def items(handle: Any, selector: str, namespace: str | None = None) -> list[Object]:
    """List the objects of a kind that carry these labels."""
    # A list names the kind once, not in each of its objects.
    kind = {"apiVersion": handle.group_version, "kind": handle.kind}
    found = handle.get(namespace=namespace, label_selector=selector).items
    return [{**kind, **plain(item)} for item in found]


def plain(found: Any) -> Object:
    """Return the client's object as a dict, without the bookkeeping of fields."""
    obj: Object = found.to_dict()
    obj["metadata"].pop("managedFields", None)
    return obj
