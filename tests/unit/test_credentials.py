"""`Credentials`: logins reach the builds and the nodes, and nobody else."""

import base64
import json
from typing import Any

import pulumi
import pytest

from components import Credentials
from components.config_json import DOCKER_HUB_KEY
from components.credentials import check_logins
from components.mistakes import InvalidArgs
from tests.unit.conftest import CLAIM, CREDENTIALS, JOB, SECRET, STASH, Deploy, Deployed

PASSWORD = "correct horse battery staple"
LOGIN = {"registry": "registry.example.com:5000", "username": "me", "password": PASSWORD}
DATA = ".dockerconfigjson"


def deployed_with(deploy: Deploy, *logins: Any, **more: Any) -> Deployed:
    args: Any = {"namespace": "kaniko", "logins": list(logins), **more}
    return deploy(lambda: Credentials("credentials", args))


def test_all_logins_are_in_one_pull_secret(deploy: Deploy) -> None:
    other = {"registry": "docker.io", "username": "you", "password": "x"}
    deployed = deployed_with(deploy, LOGIN, other)
    secret = deployed.one(SECRET)
    assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
    auths = json.loads(secret.inputs["stringData"][DATA])["auths"]
    assert {key: base64.b64decode(auths[key]["auth"]).decode() for key in auths} == {
        "registry.example.com:5000": f"me:{PASSWORD}",
        DOCKER_HUB_KEY: "you:x",
    }
    outputs = deployed.one(CREDENTIALS).outputs
    assert outputs is not None
    assert outputs["pullSecret"] == "credentials-login-1a2b3c4d"
    assert outputs["claimName"] == "kaniko-credentials"


def test_a_password_is_a_secret_in_the_state_whether_it_is_given_as_one_or_not(
    deploy: Deploy,
) -> None:
    assert deployed_with(deploy, LOGIN).one(SECRET).secrets == {"stringData"}


def test_no_login_is_anywhere_but_in_the_secret(deploy: Deploy) -> None:
    deployed = deployed_with(deploy, LOGIN)
    encoded = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    for known in deployed.resources:
        if known.type != SECRET:
            shown = f"{known.inputs} {known.outputs} {known.trigger}"
            assert PASSWORD not in shown
            assert encoded not in shown
    assert deployed.log == []


def test_the_login_is_copied_onto_the_claim_by_a_job_that_only_mounts_it(deploy: Deploy) -> None:
    job = deployed_with(deploy, LOGIN).one(JOB)
    secret = job.mounts["/login"]
    assert secret["readOnly"] is True
    assert secret["volume"]["secret"] == {"secretName": "credentials-login-1a2b3c4d"}
    claim = job.mounts["/credentials"]["volume"]["persistentVolumeClaim"]
    assert claim == {"claimName": "kaniko-credentials"}
    assert "env" not in job.container
    assert "envFrom" not in job.container


def test_the_file_appears_whole_and_for_root_alone(deploy: Deploy) -> None:
    (*_, script) = deployed_with(deploy, LOGIN).one(JOB).container["command"]
    assert "umask 077" in script
    assert f"cp /login/{DATA} /credentials/.config.json" in script
    assert "mv /credentials/.config.json /credentials/config.json" in script


def test_the_writer_has_no_privilege_and_no_token_of_the_cluster(deploy: Deploy) -> None:
    job = deployed_with(deploy, LOGIN).one(JOB)
    assert job.pod["automountServiceAccountToken"] is False
    assert job.container["securityContext"]["allowPrivilegeEscalation"] is False
    assert job.container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert "privileged" not in str(job.inputs)


def test_new_logins_are_written_again_and_their_hash_is_nowhere(deploy: Deploy) -> None:
    job = deployed_with(deploy, LOGIN).one(JOB)
    assert job.trigger == "uid-credentials-login"
    assert job.ignored == ["spec"]


def test_builds_wait_until_the_logins_are_on_the_claim(deploy: Deploy) -> None:
    args: Any = {"namespace": "kaniko", "logins": [LOGIN]}

    def program() -> None:
        pulumi.Stash("user", input=Credentials("credentials", args).claim_name)

    deployed = deploy(program)
    assert deployed.one(JOB).urn in deployed.one(STASH, "user").waits_for


def test_without_any_login_the_file_is_there_all_the_same(deploy: Deploy) -> None:
    args: Any = {"namespace": "kaniko"}
    secret = deploy(lambda: Credentials("credentials", args)).one(SECRET)
    assert json.loads(secret.inputs["stringData"][DATA]) == {"auths": {}}


def test_logins_may_be_known_only_later(deploy: Deploy) -> None:
    def program() -> None:
        later = pulumi.Stash("later", input="r.example.com").output
        login = {"registry": later, "username": "me", "password": pulumi.Output.secret("x")}
        args: Any = {"namespace": "kaniko", "logins": [login]}
        Credentials("credentials", args)

    content = deploy(program).one(SECRET).inputs["stringData"][DATA]
    assert list(json.loads(content)["auths"]) == ["r.example.com"]


def test_the_writer_and_the_claim_are_a_choice(deploy: Deploy) -> None:
    deployed = deployed_with(deploy, LOGIN, writer_image="mirror/busybox", claim_name="mine")
    assert deployed.one(JOB).container["image"] == "mirror/busybox"
    assert deployed.one(CLAIM).inputs["metadata"]["name"] == "mine"
    assert deployed.one(CLAIM).inputs["spec"]["resources"]["requests"]["storage"] == "1Gi"


@pytest.mark.parametrize(
    ("registries", "problems"),
    [
        (["a.example.com", "b.example.com:5000"], []),
        (
            ["https://a.example.com"],
            [
                "logins[0].registry: 'https://a.example.com' is no registry host such as "
                "registry.example.com:5000"
            ],
        ),
        (
            ["a.example.com", "b.example.com", "a.example.com"],
            ["logins[2].registry: logins[0] is for 'a.example.com' too; keep one"],
        ),
        (
            ["docker.io", "index.docker.io"],
            ["logins[1].registry: logins[0] is for 'index.docker.io' too; keep one"],
        ),
    ],
)
def test_a_bad_registry_and_a_second_login_for_one_are_told(
    registries: list[str], problems: list[str]
) -> None:
    logins: Any = [{**LOGIN, "registry": registry} for registry in registries]
    assert [str(mistake) for mistake in check_logins(logins)] == problems


def test_bad_logins_are_refused_before_anything_is_registered(deploy: Deploy) -> None:
    def program() -> None:
        args: Any = {"namespace": "kaniko", "logins": [LOGIN, LOGIN]}
        with pytest.raises(InvalidArgs, match="credentials 'credentials' has 1 mistake"):
            Credentials("credentials", args)

    assert deploy(program).resources == []
