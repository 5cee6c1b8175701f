"""Reading builds from the cluster: few questions, answered from one list of all builds."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from .build_state import BuildState, build_state, has_ended, pod_digest
from .labels import BUILD, INSTANCE, PART_OF, selector

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
"""Label that Kubernetes puts on the pods of a Job."""

JOB_NAME = "batch.kubernetes.io/job-name"

LOG_LINES = 40
"""How much of a running build's log is looked at for its step."""

_IDENTITY = (INSTANCE, PART_OF)


@dataclass(frozen=True)
class Access:
    """Which cluster is read.

    Attributes:
        kubeconfig: a file's path or a kubeconfig's content; the ambient one by default.
        context: one of its contexts; the current one by default.
    """

    kubeconfig: str | None = None
    context: str | None = None


class Cluster:
    """A cluster as far as it is read here: Jobs, pods and logs of builds."""

    def __init__(self, access: Access) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            access: which cluster.
        """
        api = api_client(access)
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)
        self._lock = threading.Lock()
        self._pods: dict[str, list[Any]] = {}

    def pods(self, namespace: str, part_of: str | None = None) -> list[Any]:
        """List the pods of all builds in a namespace, as `V1Pod`s."""
        found = self._core.list_namespaced_pod(
            namespace, label_selector=selector(BUILD, part_of), _request_timeout=30
        )
        return list(found.items)

    def builds(
        self, namespace: str, part_of: str | None = None, *, only_running: bool = False
    ) -> list[BuildState]:
        """Tell the state of every build in a namespace, the oldest first.

        Args:
            namespace: of the builds.
            part_of: only those of this stack, as `PROJECT.STACK`; any by default.
            only_running: leave out those that have ended.
        """
        found: Any = self._batch.list_namespaced_job(
            namespace, label_selector=selector(BUILD, part_of), _request_timeout=30
        )
        jobs = [job for job in found.items if not (only_running and has_ended(job))]
        if not jobs:
            return []
        pods: dict[str, list[Any]] = {}
        for pod in self.pods(namespace, part_of):
            pods.setdefault(pod.metadata.labels.get(CONTROLLER_UID, ""), []).append(pod)
        states = [self._build(namespace, job, pods.get(job.metadata.uid, [])) for job in jobs]
        return sorted(states, key=lambda state: state.started)

    def _build(self, namespace: str, job: Any, pods: list[Any]) -> BuildState:
        live = next((pod for pod in pods if pod.status.phase == "Running"), None)
        log = self._log(namespace, live.metadata.name) if live else ""
        return build_state(job, pods, log)

    def _log(self, namespace: str, pod: str) -> str:
        try:
            return str(
                self._core.read_namespaced_pod_log(
                    pod, namespace, tail_lines=LOG_LINES, _request_timeout=10
                )
            )
        except client.ApiException:  # the container has not started yet
            return ""

    def digest(self, namespace: str, job_uid: str) -> str:
        """Read the digest that a finished Job's pod has left.

        The list of pods is shared by all images and asked for again only when this Job isn't
        in it, because it ended later.

        Args:
            namespace: of the Job.
            job_uid: its `metadata.uid`.

        Returns:
            `sha256:...`, or nothing when the pod isn't there any more.
        """
        with self._lock:
            own = self._of(namespace, job_uid)
            if not pod_digest(own):
                self._pods[namespace] = self.pods(namespace)
                own = self._of(namespace, job_uid)
        return pod_digest(own)

    def strays(self, namespace: str, job_labels: Mapping[str, str], job_uid: str) -> list[str]:
        """Name other Jobs of the same image and stack, as an interrupted `up` leaves them.

        Args:
            namespace: of the Job.
            job_labels: of the Job.
            job_uid: of the Job that is the right one.
        """
        return sorted(
            {
                pod.metadata.labels[JOB_NAME]
                for pod in self._pods.get(namespace, [])
                if pod.metadata.labels.get(CONTROLLER_UID) != job_uid
                and all(pod.metadata.labels.get(key) == job_labels.get(key) for key in _IDENTITY)
            }
        )

    def _of(self, namespace: str, job_uid: str) -> list[Any]:
        pods = self._pods.get(namespace, [])
        return [pod for pod in pods if pod.metadata.labels.get(CONTROLLER_UID) == job_uid]


def api_client(access: Access) -> client.ApiClient:
    """Make a client for a cluster.

    Args:
        access: which cluster; without a kubeconfig and inside a pod, that pod's own.

    Raises:
        kubernetes.config.ConfigException: when no cluster is configured, or not this context.
    """
    loaded = client.Configuration()
    given = access.kubeconfig
    if given and not _is_file(given):
        content = yaml.safe_load(given)
        config.load_kube_config_from_dict(content, access.context, loaded)
    elif given or access.context or not _in_a_pod():
        config.load_kube_config(given, access.context, loaded)
    else:
        config.load_incluster_config(loaded)
    return client.ApiClient(loaded)


def _in_a_pod() -> bool:
    has_own = os.environ.get("KUBECONFIG") or Path(config.KUBE_CONFIG_DEFAULT_LOCATION).is_file()
    return not has_own and "KUBERNETES_SERVICE_HOST" in os.environ


def _is_file(kubeconfig: str) -> bool:
    return "\n" not in kubeconfig and Path(kubeconfig).expanduser().is_file()


@cache
def cluster(access: Access) -> Cluster:
    """Give the one reader of a cluster, shared by all images of a program."""
    return Cluster(access)
