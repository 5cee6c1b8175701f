"""The API server, asked in JSON.

The client library finds the cluster, logs in and speaks TLS; its classes for every kind of object
are left out, because to load them takes longer than all our questions together.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

Object = dict[str, Any]
"""A Kubernetes object, as the API server's JSON."""

ApiException = client.ApiException


@dataclass(frozen=True)
class Access:
    """Which cluster is asked.

    Attributes:
        kubeconfig: a file's path or a kubeconfig's content; the ambient one by default.
        context: one of its contexts; the current one by default.
    """

    kubeconfig: str | None = None
    context: str | None = None


class Api:
    """The API server of one cluster."""

    def __init__(self, access: Access) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            access: which cluster; without a kubeconfig and inside a pod, that pod's own.

        Raises:
            kubernetes.config.ConfigException: when no cluster is configured, or not this context.
        """
        self._client = client.ApiClient(_configuration(access))

    @property
    def host(self) -> str:
        """Address of the API server."""
        return str(self._client.configuration.host)

    def get(self, path: str, timeout: float = 30.0, **query: str | int) -> Object:
        """Read an object or a list.

        Args:
            path: such as `/api/v1/namespaces/kaniko/pods`.
            timeout: seconds.
            query: such as `labelSelector`.

        Raises:
            ApiException: when the API server refuses.
            urllib3.exceptions.HTTPError: when it doesn't answer.
        """
        found: Object = json.loads(self._ask("GET", path, query, None, timeout))
        return found

    def text(self, path: str, timeout: float = 10.0, **query: str | int) -> str:
        """Read a text, such as a log; as `get`."""
        return self._ask("GET", path, query, None, timeout).decode(errors="replace")

    def create(self, path: str, body: Object) -> Object:
        """Create an object and give it as it was made; errors as for `get`."""
        made: Object = json.loads(self._ask("POST", path, {}, body, 30.0))
        return made

    def delete(self, path: str, **query: str | int) -> None:
        """Delete an object without waiting; errors as for `get`."""
        self._ask("DELETE", path, query, None, 30.0)

    def _ask(
        self, method: str, path: str, query: Object, body: Object | None, timeout: float
    ) -> bytes:
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Content-Type": "application/json"} if body else {},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = self._client.call_api(*request, _request_timeout=timeout)
        content: bytes = answer.read()
        if not 200 <= answer.status < 300:
            raise ApiException.from_response(http_resp=answer, body=content.decode(), data=None)
        return content


def _configuration(access: Access) -> client.Configuration:
    loaded = client.Configuration()
    given = access.kubeconfig
    # The client's own default is what the environment said when the client was imported.
    ambient = os.environ.get("KUBECONFIG")
    if given and not _is_file(given):
        config.load_kube_config_from_dict(yaml.safe_load(given), access.context, loaded)
    elif given or ambient or access.context or not _in_a_pod():
        config.load_kube_config(given or ambient, access.context, loaded)
    else:
        config.load_incluster_config(loaded)
    return loaded


def _in_a_pod() -> bool:
    has_own = Path(config.KUBE_CONFIG_DEFAULT_LOCATION).expanduser().is_file()
    return not has_own and "KUBERNETES_SERVICE_HOST" in os.environ


def _is_file(kubeconfig: str) -> bool:
    return "\n" not in kubeconfig and Path(kubeconfig).expanduser().is_file()
