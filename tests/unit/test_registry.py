"""`Registry`: where images go when there is no other place, behind a login that is kept."""

import json
from typing import Any

import bcrypt
import pulumi
import pytest

from components import Registry
from components.registry import htpasswd
from tests.unit.conftest import (
    CLAIM,
    DEPLOYMENT,
    REGISTRY,
    SECRET,
    SERVICE,
    STASH,
    Deploy,
    Deployed,
)


def deployed_with(deploy: Deploy, **more: Any) -> Deployed:
    args: Any = {"namespace": "kaniko", **more}
    return deploy(lambda: Registry("registry", args))


@pytest.fixture(scope="module")
def plain(deploy: Deploy) -> Deployed:
    """The registry without any choice."""
    return deployed_with(deploy)


def test_its_address_is_that_of_its_service_in_the_cluster(plain: Deployed) -> None:
    outputs = plain.one(REGISTRY).outputs
    assert outputs is not None
    assert outputs["host"] == "kaniko-registry.kaniko.svc.cluster.local:5000"
    service = plain.one(SERVICE)
    assert service.inputs["metadata"]["name"] == "kaniko-registry"
    assert [port["port"] for port in service.inputs["spec"]["ports"]] == [5000]
    labels = plain.one(DEPLOYMENT).inputs["spec"]["template"]["metadata"]["labels"]
    assert service.inputs["spec"]["selector"] == labels


def test_service_and_domain_are_a_choice(deploy: Deploy) -> None:
    deployed = deployed_with(deploy, service_name="images", cluster_domain="corp.local")
    outputs = deployed.one(REGISTRY).outputs
    assert outputs is not None
    assert outputs["host"] == "images.kaniko.svc.corp.local:5000"


def test_who_pushes_waits_until_it_answers(deploy: Deploy) -> None:
    args: Any = {"namespace": "kaniko"}

    def program() -> None:
        pulumi.Stash("user", input=Registry("registry", args).host)

    deployed = deploy(program)
    needed = {deployed.one(DEPLOYMENT).urn, deployed.one(SERVICE).urn}
    assert needed <= deployed.one(STASH, "user").waits_for


def test_probes_need_no_login(plain: Deployed) -> None:
    container = plain.one(DEPLOYMENT).container
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/", "port": 5000}


def test_images_lie_on_a_claim_that_one_pod_mounts_at_a_time(deploy: Deploy) -> None:
    deployed = deployed_with(deploy, size="5Gi", image="mirror/registry:3")
    deployment, claim = deployed.one(DEPLOYMENT), deployed.one(CLAIM)
    assert claim.inputs["spec"]["resources"]["requests"]["storage"] == "5Gi"
    data = deployment.mounts["/var/lib/registry"]["volume"]
    assert data["persistentVolumeClaim"]["claimName"] == "kaniko-registry"
    assert deployment.inputs["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment.container["image"] == "mirror/registry:3"


def test_it_runs_without_root_privileges_or_a_token_of_the_cluster(plain: Deployed) -> None:
    deployment = plain.one(DEPLOYMENT)
    assert deployment.pod["automountServiceAccountToken"] is False
    assert deployment.pod["securityContext"]["runAsNonRoot"] is True
    assert deployment.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_lets_nobody_in_without_the_login(plain: Deployed) -> None:
    container = plain.one(DEPLOYMENT).container
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["REGISTRY_AUTH"] == "htpasswd"
    file = environment["REGISTRY_AUTH_HTPASSWD_PATH"]
    mount = plain.one(DEPLOYMENT).mounts[file.rpartition("/")[0]]
    assert mount["volume"]["secret"] == {"secretName": "registry-htpasswd-1a2b3c4d"}
    assert mount["readOnly"] is True


def test_the_password_is_a_secret_everywhere(plain: Deployed) -> None:
    component = plain.one(REGISTRY)
    assert component.secret_outputs == {"password"}
    assert plain.one(STASH, "registry-password").secrets == {"input"}
    assert plain.one(STASH, "registry-htpasswd").secrets == {"input"}
    assert plain.one(SECRET).secrets == {"stringData"}


def test_the_password_is_nowhere_in_clear_but_in_its_stash(plain: Deployed) -> None:
    password = plain.one(STASH, "registry-password").inputs["input"]
    for known in plain.resources:
        if known.name != "registry-password":
            assert password not in json.dumps(known.inputs)


def test_the_password_is_made_once_and_kept(deploy: Deploy) -> None:
    first, second = deployed_with(deploy), deployed_with(deploy)
    one, other = (known.one(STASH, "registry-password") for known in (first, second))
    assert one.inputs["input"] != other.inputs["input"]
    assert len(one.inputs["input"]) >= 32
    # The engine keeps the first one, since the input is ignored from then on.
    assert one.ignored == ["input"]
    assert one.trigger is None


def test_the_hash_is_kept_too_and_made_anew_only_for_another_password(plain: Deployed) -> None:
    password = plain.one(STASH, "registry-password").inputs["input"]
    kept = plain.one(STASH, "registry-htpasswd")
    assert kept.ignored == ["input"]
    assert kept.trigger == password
    name, _, hashed = kept.inputs["input"].strip().partition(":")
    assert name == "kaniko"
    assert bcrypt.checkpw(password.encode(), hashed.encode())
    assert plain.one(SECRET).inputs["stringData"] == {"htpasswd": kept.inputs["input"]}


def test_credentials_take_its_login(deploy: Deploy) -> None:
    args: Any = {"namespace": "kaniko"}

    def program() -> None:
        login = Registry("registry", args).login
        pulumi.Stash("login", input=pulumi.Output.all(**login))

    deployed = deploy(program)
    stash = deployed.one(STASH, "login")
    password = deployed.one(STASH, "registry-password").inputs["input"]
    host = "kaniko-registry.kaniko.svc.cluster.local:5000"
    assert stash.inputs["input"] == {"registry": host, "username": "kaniko", "password": password}
    assert stash.secrets == {"input"}


def test_a_line_of_the_password_file_checks_its_password_and_no_other() -> None:
    name, _, hashed = htpasswd("me", "with:colon and ä").strip().partition(":")
    assert name == "me"
    assert bcrypt.checkpw("with:colon and ä".encode(), hashed.encode())
    assert not bcrypt.checkpw(b"another", hashed.encode())
