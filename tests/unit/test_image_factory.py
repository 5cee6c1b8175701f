"""`ImageFactory`: how its parts are wired, and what waits for what."""

import json
from typing import Any

import pulumi
import pytest

from components import Image, ImageFactory
from components.mistakes import InvalidArgs
from tests.unit.conftest import (
    CLAIM,
    CONFIG_MAP,
    CREDENTIALS,
    FACTORY,
    IMAGE,
    JOB,
    NAMESPACE,
    REGISTRY,
    SECRET,
    STASH,
    WORKSPACE,
    Deploy,
    Deployed,
    context,
    digest_of,
)

HOST = "kaniko-registry.kaniko.svc.cluster.local:5000"
LOADER = {"image": "busybox", "command": ["true"]}


def catalogue(hello: str) -> list[Any]:
    return [
        {
            "name": "greeter",
            "context": {"directory": hello},
            "build_args": {"BASE": "images/hello"},
        },
        {"name": "hello", "context": {"directory": hello}},
        {"name": "my-build", "context": {"workspace": "/workspace/my-build"}},
    ]


def deployed_with(deploy: Deploy, hello: str, **more: Any) -> Deployed:
    args: Any = {"images": catalogue(hello), "workspace": {"loader": LOADER}} | more
    return deploy(lambda: ImageFactory("kaniko", args))


@pytest.fixture(scope="module")
def plain(deploy: Deploy, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The factory of this catalogue without any choice."""
    return deployed_with(deploy, str(context(tmp_path_factory.mktemp("factory") / "hello")))


def one_image(**more: Any) -> Any:
    return [{"name": "app", "context": {"workspace": "/workspace/app"}, **more}]


def job_args(deploy: Deploy, hello: str, **more: Any) -> list[str]:
    found: list[str] = deployed_with(deploy, hello, **more).one(JOB, "kaniko-app").container["args"]
    return found


# --- its parts -----------------------------------------------------------------------------------


def test_it_is_a_namespace_a_registry_a_workspace_credentials_and_images(plain: Deployed) -> None:
    children = plain.children_of(plain.one(FACTORY))
    assert sorted((child.type, child.name) for child in children) == sorted(
        [
            (NAMESPACE, "kaniko"),
            (REGISTRY, "kaniko-registry"),
            (WORKSPACE, "kaniko-workspace"),
            (CREDENTIALS, "kaniko-credentials"),
            (IMAGE, "kaniko-hello"),
            (IMAGE, "kaniko-my-build"),
            (IMAGE, "kaniko-greeter"),
        ]
    )


def test_its_outputs_are_what_others_need_to_run_the_images(plain: Deployed) -> None:
    outputs = plain.one(FACTORY).outputs
    assert outputs == {
        "namespace": "kaniko",
        "registry": HOST,
        "pullSecret": "kaniko-credentials-login-1a2b3c4d",
        "refs": {
            name: f"{HOST}/{name}@{digest_of(name)}" for name in ("hello", "greeter", "my-build")
        },
    }


def test_a_namespace_of_its_own_has_pod_security_labels(deploy: Deploy, hello: str) -> None:
    namespace = deployed_with(deploy, hello, namespace="images").one(NAMESPACE)
    assert namespace.inputs["metadata"]["name"] == "images"
    assert namespace.labels["pod-security.kubernetes.io/enforce"] == "baseline"


def test_everything_lives_in_the_one_namespace_and_waits_for_it(deploy: Deploy, hello: str) -> None:
    deployed = deployed_with(deploy, hello, namespace="images")
    namespace = deployed.one(NAMESPACE)
    for known in deployed.resources:
        if "metadata" in known.inputs and known is not namespace:
            assert known.inputs["metadata"]["namespace"] == "images", known.name
            assert namespace.urn in deployed.ancestors_wait(known), known.name


def test_an_existing_namespace_is_used_and_not_made(deploy: Deploy, hello: str) -> None:
    deployed = deployed_with(deploy, hello, namespace="theirs", create_namespace=False)
    assert deployed.all(NAMESPACE) == []
    assert {known.inputs["metadata"]["namespace"] for known in deployed.all(JOB)} == {"theirs"}


# --- the graph -----------------------------------------------------------------------------------


def test_an_image_that_builds_on_another_waits_for_its_ref(plain: Deployed) -> None:
    greeter = plain.one(JOB, "kaniko-greeter")
    base = f"--build-arg=BASE={HOST}/hello@{digest_of('hello')}"
    assert base in greeter.container["args"]
    assert plain.one(JOB, "kaniko-hello").urn in plain.ancestors_wait(greeter)
    assert plain.one(JOB, "kaniko-hello").urn not in plain.ancestors_wait(
        plain.one(JOB, "kaniko-my-build")
    )


def test_another_digest_of_the_base_builds_what_stands_on_it_again(
    deploy: Deploy, hello: str
) -> None:
    args: Any = {"images": catalogue(hello)}
    before = deploy(lambda: ImageFactory("kaniko", args))
    after = deploy(lambda: ImageFactory("kaniko", args), digests={"hello": digest_of("other")})
    assert before.one(JOB, "kaniko-greeter").trigger != after.one(JOB, "kaniko-greeter").trigger
    assert before.one(JOB, "kaniko-my-build").trigger == after.one(JOB, "kaniko-my-build").trigger


def test_builds_wait_for_the_registry_and_for_the_logins_on_their_volume(plain: Deployed) -> None:
    # A file that isn't there when the pod starts would be mounted as a new folder.
    needed = {
        plain.one("kubernetes:apps/v1:Deployment").urn,
        plain.one(JOB, "kaniko-credentials-writer").urn,
    }
    for name in ("hello", "greeter", "my-build"):
        assert needed <= plain.ancestors_wait(plain.one(JOB, f"kaniko-{name}")), name


def test_only_images_on_the_workspace_wait_for_its_loader(plain: Deployed) -> None:
    loader = plain.one(JOB, "kaniko-workspace-loader").urn
    assert loader in plain.ancestors_wait(plain.one(JOB, "kaniko-my-build"))
    assert loader not in plain.ancestors_wait(plain.one(JOB, "kaniko-hello"))


def test_new_content_of_the_workspace_builds_what_lies_on_it_and_nothing_else(
    deploy: Deploy, hello: str
) -> None:
    before = deployed_with(deploy, hello)
    after = deployed_with(deploy, hello, workspace={"loader": LOADER, "revision": "2"})
    assert before.one(JOB, "kaniko-my-build").trigger != after.one(JOB, "kaniko-my-build").trigger
    for name in ("hello", "greeter"):
        assert before.one(JOB, f"kaniko-{name}").trigger == after.one(JOB, f"kaniko-{name}").trigger


def test_the_same_configuration_has_the_same_keys(deploy: Deploy, hello: str) -> None:
    keys = [
        {job.name: job.trigger for job in deployed_with(deploy, hello).all(JOB)} for _ in range(2)
    ]
    assert keys[0] == keys[1]


def test_the_order_of_the_catalogue_changes_nothing(deploy: Deploy, hello: str) -> None:
    turned = deployed_with(deploy, hello, images=list(reversed(catalogue(hello))))
    for job in deployed_with(deploy, hello).all(JOB):
        assert turned.one(JOB, job.name).trigger == job.trigger


# --- what each image gets ------------------------------------------------------------------------


def test_images_are_pushed_to_its_own_registry_unless_they_say_otherwise(
    deploy: Deploy, hello: str
) -> None:
    assert f"--destination={HOST}/app:latest" in job_args(deploy, hello, images=one_image())
    elsewhere = one_image(destination="r.example.com/app:v1")
    args = job_args(deploy, hello, images=elsewhere)
    assert [arg for arg in args if "destination" in arg] == ["--destination=r.example.com/app:v1"]


def test_its_registry_speaks_plain_http_and_others_may(deploy: Deploy, hello: str) -> None:
    args = job_args(deploy, hello, images=one_image(), insecure_registries=["198.18.0.2:5000"])
    assert f"--insecure-registry={HOST}" in args
    assert "--insecure-registry=198.18.0.2:5000" in args


def test_an_image_takes_the_factorys_options_unless_it_has_its_own(
    deploy: Deploy, hello: str
) -> None:
    shared = {
        "executor_image": "kaniko:shared",
        "resources": {"limits": {"memory": "1Gi"}},
        "active_deadline_seconds": 60,
        "registry_maps": {"index.docker.io": "shared.example.com"},
    }
    own = {
        "executor_image": "kaniko:own",
        "resources": {"limits": {"memory": "2Gi"}},
        "active_deadline_seconds": 120,
        "registry_maps": {"index.docker.io": "own.example.com"},
    }
    for image_options, expected in (({}, shared), (own, own)):
        images = one_image(**image_options)
        job = deployed_with(deploy, hello, images=images, **shared).one(JOB, "kaniko-app")
        assert job.container["image"] == expected["executor_image"]
        assert job.container["resources"]["limits"] == expected["resources"]["limits"]  # type: ignore[index]
        assert job.inputs["spec"]["activeDeadlineSeconds"] == expected["active_deadline_seconds"]
        host = expected["registry_maps"]["index.docker.io"]  # type: ignore[index]
        assert f"--registry-map=index.docker.io={host}" in job.container["args"]


def test_every_build_gets_the_logins_and_its_own_folder_only(plain: Deployed) -> None:
    assert set(plain.one(JOB, "kaniko-hello").mounts) == {
        "/kaniko/context",
        "/kaniko/.docker/config.json",
    }
    assert set(plain.one(JOB, "kaniko-my-build").mounts) == {
        "/workspace/my-build",
        "/kaniko/.docker/config.json",
    }


def test_an_image_may_choose_the_whole_workspace(deploy: Deploy, hello: str) -> None:
    job = deployed_with(deploy, hello, images=one_image(whole_workspace=True)).one(
        JOB, "kaniko-app"
    )
    assert "subPath" not in job.mounts["/workspace"]


def test_further_logins_stand_beside_that_of_its_own_registry(deploy: Deploy, hello: str) -> None:
    login = {"registry": "r.example.com", "username": "me", "password": "secret-token"}
    deployed = deployed_with(deploy, hello, credentials={"logins": [login]})
    secret = deployed.one(SECRET, "kaniko-credentials-login")
    auths = json.loads(secret.inputs["stringData"][".dockerconfigjson"])["auths"]
    assert set(auths) == {HOST, "r.example.com"}


def test_a_storage_class_is_for_all_claims_that_name_no_other(deploy: Deploy, hello: str) -> None:
    deployed = deployed_with(
        deploy, hello, storage="fast", registry={"storage_class": "slow", "size": "5Gi"}
    )
    classes = {
        claim.name: claim.inputs["spec"]["storageClassName"] for claim in deployed.all(CLAIM)
    }
    assert classes == {
        "kaniko-registry-claim": "slow",
        "kaniko-workspace-claim": "fast",
        "kaniko-credentials-claim": "fast",
    }


def test_the_default_storage_class_is_the_clusters(deploy: Deploy, hello: str) -> None:
    deployed = deployed_with(deploy, hello, storage="default")
    assert all("storageClassName" not in claim.inputs["spec"] for claim in deployed.all(CLAIM))


# --- secrets -------------------------------------------------------------------------------------


def test_no_password_is_in_a_job_a_config_map_or_an_output(deploy: Deploy, hello: str) -> None:
    login = {"registry": "r.example.com", "username": "me", "password": "secret-token"}
    deployed = deployed_with(deploy, hello, credentials={"logins": [login]})
    passwords = ["secret-token", deployed.one(STASH, "kaniko-registry-password").inputs["input"]]
    for known in deployed.resources:
        secret = known.type == SECRET or (known.type == STASH and known.secrets)
        shown = [known.trigger if not secret else "", "" if secret else known.inputs]
        outputs = known.outputs or {}
        shown += [value for key, value in outputs.items() if key not in known.secret_outputs]
        for password in passwords:
            assert password not in json.dumps(shown), f"{known.type} {known.name}"
    for password in passwords:
        assert password not in "".join(deployed.log)


def test_build_keys_do_not_depend_on_passwords(deploy: Deploy, hello: str) -> None:
    # Otherwise a rotated password would build every image again.
    triggers = []
    for password in ("one", "two"):
        login = {"registry": "r.example.com", "username": "me", "password": password}
        deployed = deployed_with(deploy, hello, credentials={"logins": [login]})
        triggers.append(deployed.one(JOB, "kaniko-hello").trigger)
    assert triggers[0] == triggers[1]


# --- several of them -----------------------------------------------------------------------------


def test_two_factories_fit_into_one_program(deploy: Deploy, hello: str) -> None:
    def program() -> None:
        for name in ("one", "two"):
            args: Any = {"images": catalogue(hello), "namespace": name}
            ImageFactory(name, args)

    deployed = deploy(program)
    assert len(deployed.all(FACTORY)) == 2
    assert len(deployed.all(IMAGE)) == 6


def test_an_image_of_another_team_uses_the_factorys_ref(deploy: Deploy, hello: str) -> None:
    def program() -> None:
        args: Any = {"images": catalogue(hello)}
        factory = ImageFactory("kaniko", args)
        own: Any = {
            "namespace": factory.namespace,
            "context": {"directory": hello},
            "destination": pulumi.Output.concat(factory.registry, "/own"),
            "build_args": {"BASE": factory.images["greeter"].ref},
        }
        Image("own", own)

    deployed = deploy(program)
    base = f"--build-arg=BASE={HOST}/greeter@{digest_of('greeter')}"
    assert base in deployed.one(JOB, "own").container["args"]


# --- bad arguments -------------------------------------------------------------------------------


def test_all_mistakes_are_told_before_anything_is_registered(deploy: Deploy, hello: str) -> None:
    def program() -> None:
        images = [
            {"name": "a", "context": {"workspace": "/elsewhere"}},
            {"name": "a", "context": {"workspace": "/workspace"}, "build_args": {"B": "images/x"}},
        ]
        args: Any = {"images": images, "storage": "efs"}
        with pytest.raises(InvalidArgs) as caught:
            ImageFactory("kaniko", args)
        heading, *lines = str(caught.value).splitlines()
        assert heading == "image factory 'kaniko' has 4 mistakes:"
        assert [line.split(":")[0].strip() for line in lines] == [
            "storage",
            "images[0].context.workspace",
            "images[1].name",
            "images[1].buildArgs.B",
        ]

    assert deploy(program).resources == []


def test_a_context_of_an_unused_kind_makes_no_config_map(deploy: Deploy, hello: str) -> None:
    assert deployed_with(deploy, hello, images=one_image()).all(CONFIG_MAP) == []
