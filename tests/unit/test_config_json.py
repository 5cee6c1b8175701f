"""Docker's config.json, as kaniko and the kubelet look logins up in it."""

import base64
import json

import pytest

from components.config_json import DOCKER_HUB_KEY, Login, config_json


def login(registry: str, username: str = "user", password: str = "pass") -> Login:
    return {"registry": registry, "username": username, "password": password}


def auths(*logins: Login) -> dict[str, str]:
    """Registry -> `user:password`."""
    found = json.loads(config_json(logins))["auths"]
    return {key: base64.b64decode(value["auth"]).decode() for key, value in found.items()}


def test_all_logins_are_in_one_file() -> None:
    assert auths(
        login("a.example.com:5000", "me", "one"), login("b.example.com", "you", "two")
    ) == {
        "a.example.com:5000": "me:one",
        "b.example.com": "you:two",
    }


def test_a_password_may_hold_anything() -> None:
    password = 'a:b "c" \\ ä€ \n'
    assert auths(login("a.example.com", "me", password)) == {"a.example.com": f"me:{password}"}


@pytest.mark.parametrize(
    "name", ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"]
)
def test_docker_hub_is_found_by_whatever_name_it_is_given(name: str) -> None:
    assert list(auths(login(name))) == [DOCKER_HUB_KEY]


def test_the_order_of_logins_changes_nothing() -> None:
    one, other = login("a.example.com"), login("b.example.com")
    assert config_json([one, other]) == config_json([other, one])


def test_no_login_is_a_file_all_the_same() -> None:
    # The builds mount it: without the file a folder would be there in its place.
    assert json.loads(config_json([])) == {"auths": {}}
