"""Reading builds from the cluster: few questions, answered from one list of all builds."""

import threading
from collections.abc import Mapping
from functools import cache

from .api import Access, Api, ApiException, Object
from .build_state import BuildState, build_state, has_ended, pod_digest
from .labels import BUILD, INSTANCE, PART_OF, selector

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
"""Label that Kubernetes puts on the pods of a Job."""

JOB_NAME = "batch.kubernetes.io/job-name"

LOG_LINES = 40
"""How much of a running build's log is looked at for its step."""

_IDENTITY = (INSTANCE, PART_OF)


class Cluster:
    """A cluster as far as it is read here: Jobs, pods and logs of builds."""

    def __init__(self, api: Api) -> None:
        """Ask nothing yet.

        Args:
            api: of the cluster.
        """
        self._api = api
        self._lock = threading.Lock()
        self._pods: dict[str, list[Object]] = {}

    def builds(
        self, namespace: str, part_of: str | None = None, *, only_running: bool = False
    ) -> list[BuildState]:
        """Tell the state of every build in a namespace, the oldest first.

        Args:
            namespace: of the builds.
            part_of: only those of this stack, as `PROJECT.STACK`; any by default.
            only_running: leave out those that have ended.
        """
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        found = self._api.get(path, labelSelector=selector(BUILD, part_of))["items"]
        jobs = [job for job in found if not (only_running and has_ended(job))]
        if not jobs:
            return []
        pods: dict[str, list[Object]] = {}
        for pod in self._build_pods(namespace, part_of):
            pods.setdefault(pod["metadata"]["labels"].get(CONTROLLER_UID, ""), []).append(pod)
        states = [self._build(namespace, job, pods.get(job["metadata"]["uid"], [])) for job in jobs]
        return sorted(states, key=lambda state: state.started)

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
                self._pods[namespace] = self._build_pods(namespace)
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
                labels[JOB_NAME]
                for labels in (pod["metadata"]["labels"] for pod in self._pods.get(namespace, []))
                if labels.get(CONTROLLER_UID) != job_uid
                and all(labels.get(key) == job_labels.get(key) for key in _IDENTITY)
            }
        )

    def _build(self, namespace: str, job: Object, pods: list[Object]) -> BuildState:
        live = next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)
        log = self._log(namespace, live["metadata"]["name"]) if live else ""
        return build_state(job, pods, log)

    def _log(self, namespace: str, pod: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            return self._api.text(path, tailLines=LOG_LINES)
        except ApiException:  # the container has not started yet
            return ""

    def _build_pods(self, namespace: str, part_of: str | None = None) -> list[Object]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        found: list[Object] = self._api.get(path, labelSelector=selector(BUILD, part_of))["items"]
        return found

    def _of(self, namespace: str, job_uid: str) -> list[Object]:
        pods = self._pods.get(namespace, [])
        return [pod for pod in pods if pod["metadata"]["labels"].get(CONTROLLER_UID) == job_uid]


@cache
def cluster(access: Access) -> Cluster:
    """Give the one reader of a cluster, shared by all images of a program."""
    return Cluster(Api(access))
