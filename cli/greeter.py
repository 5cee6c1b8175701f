"""A pod that runs one of the images, pulled by a node by digest with the pull secret."""

import time

from cli.errors import CliError
from components.api import Api, Object

POD = "greeter"
TIMEOUT = 60.0
"""Seconds that the pod may take."""

_REFUSED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def run_pod(api: Api, namespace: str, ref: str, pull_secret: str) -> str:
    """Run a pod of an image to its end and remove it.

    Args:
        api: of the cluster.
        namespace: where it runs.
        ref: the image by digest.
        pull_secret: name of the Secret with the login.

    Returns:
        What the pod printed.

    Raises:
        CliError: when the node can't pull the image, or the pod fails or takes too long.
    """
    pods = f"/api/v1/namespaces/{namespace}/pods"
    made = api.create(pods, _pod(ref, pull_secret))
    path = f"{pods}/{made['metadata']['name']}"
    try:
        _await(api, path)
        return api.text(f"{path}/log").strip()
    finally:
        api.delete(path, gracePeriodSeconds=0)


def _pod(ref: str, pull_secret: str) -> Object:
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
        "metadata": {"generateName": f"{POD}-"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": pull_secret}],
            "containers": [container],
        },
    }


def _await(api: Api, path: str) -> None:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        status = api.get(path)["status"]
        if status["phase"] == "Succeeded":
            return
        if status["phase"] == "Failed":
            raise CliError(f"the pod {POD} failed: {api.text(f'{path}/log').strip()}")
        for container in status.get("containerStatuses", []):
            waiting = container["state"].get("waiting", {})
            if waiting.get("reason") in _REFUSED:
                raise CliError(f"the node can't pull the image: {waiting.get('message')}")
        time.sleep(0.1)
    raise CliError(f"the pod {POD} was not done after {TIMEOUT:.0f} s")
