"""A pod that runs one of the images, pulled by a node by digest with the pull secret."""

import time
from typing import Any

from kubernetes import client

from cli.errors import CliError
from components.cluster import Access, api_client

POD = "greeter"
TIMEOUT = 60.0
"""Seconds that the pod may take."""

_REFUSED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def run_pod(namespace: str, ref: str, pull_secret: str) -> str:
    """Run a pod of an image to its end and remove it.

    Args:
        namespace: where it runs.
        ref: the image by digest.
        pull_secret: name of the Secret with the login.

    Returns:
        What the pod printed.

    Raises:
        CliError: when the node can't pull the image, or the pod fails or takes too long.
    """
    core: Any = client.CoreV1Api(api_client(Access()))
    _remove(core, namespace)
    core.create_namespaced_pod(namespace, _pod(ref, pull_secret))
    try:
        _await(core, namespace)
        return str(core.read_namespaced_pod_log(POD, namespace)).strip()
    finally:
        _remove(core, namespace)


def _pod(ref: str, pull_secret: str) -> dict[str, Any]:
    container = {
        "name": POD,
        "image": ref,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": pull_secret}],
            "containers": [container],
        },
    }


def _await(core: Any, namespace: str) -> None:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        found: Any = core.read_namespaced_pod(POD, namespace)
        if found.status.phase == "Succeeded":
            return
        if found.status.phase == "Failed":
            raise CliError(f"the pod {POD} failed: {core.read_namespaced_pod_log(POD, namespace)}")
        for status in found.status.container_statuses or []:
            waiting = status.state.waiting
            if waiting and waiting.reason in _REFUSED:
                raise CliError(f"the node can't pull the image: {waiting.message}")
        time.sleep(0.2)
    raise CliError(f"the pod {POD} was not done after {TIMEOUT:.0f} s")


def _remove(core: Any, namespace: str) -> None:
    try:
        core.delete_namespaced_pod(POD, namespace, grace_period_seconds=0)
    except client.ApiException as error:
        if error.status != 404:
            raise
    while _exists(core, namespace):
        time.sleep(0.1)


def _exists(core: Any, namespace: str) -> bool:
    try:
        core.read_namespaced_pod(POD, namespace)
    except client.ApiException as error:
        if error.status == 404:
            return False
        raise
    return True
