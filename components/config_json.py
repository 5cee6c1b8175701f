"""Docker's `config.json`: the logins that kaniko and the kubelet read."""

import base64
import json
from collections.abc import Iterable
from typing import TypedDict

DOCKER_HUB_KEY = "https://index.docker.io/v1/"
"""The key that every client uses for Docker Hub, whatever name it is asked for by."""

_DOCKER_HUB_NAMES = {
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
}


class Login(TypedDict):
    """A login with every value known."""

    registry: str
    username: str
    password: str


def config_json(logins: Iterable[Login]) -> str:
    """Merge logins into one `config.json`.

    Args:
        logins: at most one a registry.

    Returns:
        JSON that is the same for the same logins in any order.
    """
    auths = {
        auth_key(login["registry"]): {
            "auth": base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
        }
        for login in logins
    }
    return json.dumps({"auths": auths}, sort_keys=True)


def auth_key(registry: str) -> str:
    """Give the key under which the login of a registry stands."""
    return DOCKER_HUB_KEY if registry in _DOCKER_HUB_NAMES else registry
