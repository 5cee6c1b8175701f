"""`Image`: the Job that builds it, what builds it again, and the ref that comes of it."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import Image
from components.build_key import fingerprint
from components.executor import CAPABILITIES
from components.mistakes import InvalidArgs
from tests.unit.conftest import (
    CONFIG_MAP,
    IMAGE,
    JOB,
    STASH,
    Deploy,
    Deployed,
    Registered,
    digest_of,
)

DESTINATION = "registry.example.com:5000/team/hello:v1"


def workspace_args(**more: Any) -> Any:
    """An image on an existing claim, pushed to somebody else's registry."""
    return {
        "namespace": "kaniko",
        "destination": DESTINATION,
        "context": {"workspace": "/workspace/team/hello"},
        "workspace": {"claim_name": "their-claim"},
    } | more


def directory_args(directory: str, **more: Any) -> Any:
    return {
        "namespace": "kaniko",
        "destination": DESTINATION,
        "context": {"directory": directory},
    } | more


def job_of(deploy: Deploy, args: Any, name: str = "hello") -> Registered:
    return deploy(lambda: Image(name, args)).one(JOB, name)


def key_of(deploy: Deploy, args: Any) -> Any:
    return job_of(deploy, args).trigger


def outputs_of(deployed: Deployed, name: str = "hello") -> dict[str, Any]:
    found = deployed.one(IMAGE, name).outputs
    assert found is not None
    return found


# --- the Job -------------------------------------------------------------------------------------


def test_a_build_is_tried_four_times_each_time_in_a_new_pod(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args())
    assert job.inputs["spec"]["backoffLimit"] == 3
    assert job.pod["restartPolicy"] == "Never"


def test_kaniko_is_told_context_dockerfile_and_destination(deploy: Deploy) -> None:
    args = job_of(deploy, workspace_args(dockerfile="prod.Dockerfile")).container["args"]
    assert args == [
        "--context=dir:///workspace/team/hello",
        "--dockerfile=prod.Dockerfile",
        f"--destination={DESTINATION}",
        "--log-format=text",
        "--digest-file=/dev/termination-log",
    ]


def test_a_directory_is_unpacked_from_an_archive_below_kanikos_own_folder(
    deploy: Deploy, hello: str
) -> None:
    deployed = deploy(lambda: Image("hello", directory_args(hello)))
    job, config_map = deployed.one(JOB), deployed.one(CONFIG_MAP)
    assert "--context=tar:///kaniko/context/context.tar.gz" in job.container["args"]
    assert job.mounts["/kaniko/context"]["readOnly"] is True
    assert job.mounts["/kaniko/context"]["volume"]["configMap"]["name"] == "hello-context-1a2b3c4d"
    assert list(config_map.inputs["binaryData"]) == ["context.tar.gz"]
    assert config_map.inputs["immutable"] is True
    assert config_map.urn in job.waits_for


def test_every_destination_and_option_reaches_kaniko(deploy: Deploy) -> None:
    args = workspace_args(
        tags=["v2", "v1", "stable"],
        build_args={"B": "2", "A": "x y"},
        insecure_registries=["b:5000", "a:5000"],
        registry_maps={"index.docker.io": "mirror.example.com"},
        executor_image="gcr.io/kaniko-project/executor:v1.24.0",
    )
    container = job_of(deploy, args).container
    assert container["image"] == "gcr.io/kaniko-project/executor:v1.24.0"
    assert container["args"][2:-2] == [
        f"--destination={DESTINATION}",
        "--destination=registry.example.com:5000/team/hello:v2",
        "--destination=registry.example.com:5000/team/hello:stable",
        "--build-arg=A=x y",
        "--build-arg=B=2",
        "--insecure-registry=a:5000",
        "--insecure-registry=b:5000",
        "--registry-map=index.docker.io=mirror.example.com",
    ]


def test_a_build_is_root_without_privileges(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args())
    assert job.container["securityContext"] == {
        "runAsUser": 0,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": CAPABILITIES},
    }
    assert job.pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


def test_a_build_has_no_token_of_the_cluster_and_nothing_of_its_node(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args(credentials={"claim_name": "their-logins"}))
    assert job.pod["automountServiceAccountToken"] is False
    for escape in ("privileged", "hostPath", "hostNetwork", "hostPID", "hostIPC"):
        assert escape not in json.dumps(job.inputs)


def test_the_digest_and_the_reason_of_a_failure_are_left_in_the_pods_status(deploy: Deploy) -> None:
    container = job_of(deploy, workspace_args()).container
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_resources_are_requested_and_may_be_chosen(deploy: Deploy) -> None:
    assert job_of(deploy, workspace_args()).container["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi"}
    }
    chosen = {"requests": {"cpu": "1"}, "limits": {"memory": "4Gi"}}
    assert job_of(deploy, workspace_args(resources=chosen)).container["resources"] == chosen


def test_kubernetes_ends_a_build_before_pulumi_stops_waiting(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args(active_deadline_seconds=60))
    assert job.inputs["spec"]["activeDeadlineSeconds"] == 60
    assert job.request.customTimeouts.create == "660s"
    assert job_of(deploy, workspace_args()).inputs["spec"]["activeDeadlineSeconds"] == 3600


def test_a_job_and_its_pods_are_found_by_their_labels(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args())
    assert job.labels == {
        "app.kubernetes.io/component": "build",
        "app.kubernetes.io/instance": "hello",
        "app.kubernetes.io/part-of": "pulumi-kaniko.test",
        "app.kubernetes.io/managed-by": "pulumi-kaniko",
    }
    assert job.inputs["spec"]["template"]["metadata"]["labels"] == job.labels


# --- mounts --------------------------------------------------------------------------------------


def test_a_build_sees_only_its_own_folder_of_the_workspace_and_only_reads_it(
    deploy: Deploy,
) -> None:
    mount = job_of(deploy, workspace_args()).mounts["/workspace/team/hello"]
    assert (mount["subPath"], mount["readOnly"]) == ("team/hello", True)
    claim = mount["volume"]["persistentVolumeClaim"]
    assert claim == {"claimName": "their-claim", "readOnly": True}


@pytest.mark.parametrize("whole", [True, False])
def test_the_whole_claim_is_mounted_by_choice_or_when_it_is_the_context(
    deploy: Deploy, whole: bool
) -> None:
    path = "/workspace/team/hello" if whole else "/workspace"
    args = workspace_args(
        context={"workspace": path}, workspace={"claim_name": "their-claim", "whole": whole}
    )
    job = job_of(deploy, args)
    assert list(job.mounts) == ["/workspace"]
    assert job.mounts["/workspace"].get("subPath") is None
    assert job.mounts["/workspace"]["readOnly"] is True
    assert f"--context=dir://{path}" in job.container["args"]


@pytest.mark.parametrize(
    ("path", "sub_path"), [("/workspace/.hidden", ".hidden"), ("/workspace/a/.b", "a/.b")]
)
def test_a_hidden_folder_of_the_workspace_is_mounted_by_its_own_name(
    deploy: Deploy, path: str, sub_path: str
) -> None:
    job = job_of(deploy, workspace_args(context={"workspace": path}))
    assert job.mounts[path]["subPath"] == sub_path


def test_the_logins_are_mounted_where_kaniko_looks_for_them(deploy: Deploy) -> None:
    job = job_of(deploy, workspace_args(credentials={"claim_name": "their-logins"}))
    mount = job.mounts["/kaniko/.docker/config.json"]
    assert (mount["subPath"], mount["readOnly"]) == ("config.json", True)
    assert mount["volume"]["persistentVolumeClaim"]["claimName"] == "their-logins"


def test_without_logins_none_are_mounted(deploy: Deploy) -> None:
    assert list(job_of(deploy, workspace_args()).mounts) == ["/workspace/team/hello"]


def test_an_image_stands_alone(deploy: Deploy, hello: str) -> None:
    alone = deploy(lambda: Image("hello", directory_args(hello)))
    assert sorted(known.type for known in alone.resources) == sorted(
        [IMAGE, CONFIG_MAP, JOB, STASH]
    )
    assert outputs_of(alone)["ref"] == f"registry.example.com:5000/team/hello@{digest_of('hello')}"
    on_claim = deploy(lambda: Image("hello", workspace_args()))
    assert {known.type for known in on_claim.resources} == {IMAGE, JOB, STASH}


# --- what builds it again ------------------------------------------------------------------------


def test_the_build_key_alone_replaces_the_job(deploy: Deploy) -> None:
    deployed = deploy(lambda: Image("hello", workspace_args()))
    job = deployed.one(JOB)
    assert job.ignored == ["spec"]
    assert job.trigger == outputs_of(deployed)["buildKey"]
    assert job.trigger.startswith("v1-")


def test_a_job_leaves_its_name_to_pulumi_and_never_disappears_by_itself(deploy: Deploy) -> None:
    # A name of its own would end change -> failed build -> revert in `already exists`; a TTL would
    # build again whatever a refresh no longer finds.
    job = job_of(deploy, workspace_args())
    assert "name" not in job.inputs["metadata"]
    assert "generateName" not in job.inputs["metadata"]
    assert "ttlSecondsAfterFinished" not in job.inputs["spec"]
    assert not job.request.deleteBeforeReplace


def test_a_failed_build_is_tried_again_by_the_next_up(deploy: Deploy) -> None:
    assert job_of(deploy, workspace_args()).annotations["pulumi.com/replaceUnready"] == "true"


def test_the_same_arguments_have_the_same_key(deploy: Deploy, hello: str) -> None:
    assert key_of(deploy, workspace_args()) == key_of(deploy, workspace_args())
    assert key_of(deploy, directory_args(hello)) == key_of(deploy, directory_args(hello))


def test_the_order_of_build_arguments_and_maps_changes_no_key(deploy: Deploy) -> None:
    one = workspace_args(build_args={"A": "1", "B": "2"}, registry_maps={"a": "x", "b": "y"})
    other = workspace_args(build_args={"B": "2", "A": "1"}, registry_maps={"b": "y", "a": "x"})
    assert key_of(deploy, one) == key_of(deploy, other)


@pytest.mark.parametrize(
    "more",
    [
        {"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}}},
        {"active_deadline_seconds": 60},
        {"insecure_registries": ["registry.example.com:5000"]},
        {"credentials": {"claim_name": "their-logins"}},
        {"namespace": "elsewhere"},
        {"workspace": {"claim_name": "another-claim"}},
        {"workspace": {"claim_name": "their-claim", "whole": True}},
        {"kubeconfig": "/nowhere", "kube_context": "other"},
    ],
    ids=lambda more: " ".join(more),
)
def test_what_does_not_change_the_image_builds_nothing_again(deploy: Deploy, more: Any) -> None:
    assert key_of(deploy, workspace_args(**more)) == key_of(deploy, workspace_args())


@pytest.mark.parametrize(
    "more",
    [
        {"context": {"workspace": "/workspace/team/other"}},
        {"workspace": {"claim_name": "their-claim", "revision": "2"}},
        {"dockerfile": "other.Dockerfile"},
        {"build_args": {"A": "1"}},
        {"registry_maps": {"index.docker.io": "mirror.example.com"}},
        {"destination": "registry.example.com:5000/team/hello:v2"},
        {"tags": ["v2"]},
        {"executor_image": "gcr.io/kaniko-project/executor:v1.24.0"},
    ],
    ids=lambda more: " ".join(more),
)
def test_each_part_of_a_build_builds_it_again(deploy: Deploy, more: Any) -> None:
    assert key_of(deploy, workspace_args(**more)) != key_of(deploy, workspace_args())


def test_one_byte_of_the_context_builds_it_again_and_its_time_does_not(
    deploy: Deploy, hello: str
) -> None:
    before = key_of(deploy, directory_args(hello))
    file = Path(hello, "greeting")
    file.write_text(file.read_text())
    assert key_of(deploy, directory_args(hello)) == before
    file.write_text("hellO\n")
    assert key_of(deploy, directory_args(hello)) != before


def test_a_preview_says_which_part_changed(deploy: Deploy) -> None:
    before = job_of(deploy, workspace_args()).annotations
    after = job_of(deploy, workspace_args(build_args={"A": "1"})).annotations
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {"pulumi-kaniko/build-args", "pulumi-kaniko/build-key"}
    assert after["pulumi-kaniko/build-args"] == fingerprint({"A": "1"})
    assert after["pulumi-kaniko/destination"] == DESTINATION


def test_other_compression_of_the_same_files_replaces_no_config_map(
    deploy: Deploy, hello: str
) -> None:
    deployed = deploy(lambda: Image("hello", directory_args(hello)))
    config_map = deployed.one(CONFIG_MAP)
    assert config_map.ignored == ["binaryData"]
    assert len(config_map.trigger) == 64


# --- what comes of it ----------------------------------------------------------------------------


def test_the_ref_is_the_image_by_digest_and_without_a_tag(deploy: Deploy) -> None:
    outputs = outputs_of(deploy(lambda: Image("hello", workspace_args(tags=["v2"]))))
    assert outputs["digest"] == digest_of("hello")
    assert outputs["ref"] == f"registry.example.com:5000/team/hello@{digest_of('hello')}"
    assert outputs["tags"] == [DESTINATION, "registry.example.com:5000/team/hello:v2"]


def test_a_destination_without_a_host_is_on_docker_hub(deploy: Deploy) -> None:
    args = workspace_args(destination="team/hello")
    outputs = outputs_of(deploy(lambda: Image("hello", args)))
    assert outputs["tags"] == ["index.docker.io/team/hello:latest"]
    assert outputs["ref"] == f"index.docker.io/team/hello@{digest_of('hello')}"


def test_the_digest_is_read_once_for_each_job_and_kept(deploy: Deploy) -> None:
    deployed = deploy(lambda: Image("hello", workspace_args()))
    kept = deployed.one(STASH)
    assert kept.inputs["input"] == digest_of("hello")
    assert kept.ignored == ["input"]
    assert kept.trigger == "uid-hello"
    assert deployed.one(JOB).urn in kept.waits_for


def test_an_image_whose_digest_is_lost_is_no_ref_and_says_how_to_get_one(deploy: Deploy) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        deploy(lambda: Image("hello", workspace_args()), digests={"hello": ""})
    assert str(caught.value).startswith("image 'hello': the pod of Job hello-1a2b3c4d was gone")
    assert "kubectl -n kaniko delete job hello-1a2b3c4d; pulumi refresh; pulumi up" in str(
        caught.value
    )


def test_a_preview_reads_nothing_from_the_cluster_and_watches_nothing(deploy: Deploy) -> None:
    deployed = deploy(
        lambda: Image("hello", workspace_args()),
        preview=True,
        digests={"hello": "not to be read"},
    )
    assert "not to be read" not in str(deployed)
    assert deployed.watched == []


def test_a_build_is_watched_while_it_runs(deploy: Deploy) -> None:
    deployed = deploy(lambda: Image("hello", workspace_args()))
    assert deployed.watched == [("kaniko", "hello", "pulumi-kaniko.test")]


def test_a_job_that_a_killed_up_has_left_is_told_with_the_command_that_removes_it(
    deploy: Deploy,
) -> None:
    deployed = deploy(
        lambda: Image("hello", workspace_args()),
        strays=["hello-dead"],
        created="2020-01-01T00:00:00Z",
    )
    assert deployed.log == [
        "image 'hello': Job hello-dead is left over from an `up` that was killed; remove it with: "
        "kubectl -n kaniko delete job hello-dead"
    ]


def test_the_job_that_a_new_build_replaces_is_no_stray(deploy: Deploy) -> None:
    deployed = deploy(lambda: Image("hello", workspace_args()), strays=["hello-old"])
    assert deployed.log == []


def test_the_commands_are_ready_to_paste(deploy: Deploy, hello: str) -> None:
    outputs = outputs_of(deploy(lambda: Image("hello", directory_args(hello))))
    assert outputs["stateCommand"] == (
        "kubectl -n kaniko get job hello-1a2b3c4d "
        """-o jsonpath='{.status.conditions[?(@.status=="True")].type}'"""
    )
    assert '-v "$PWD"/hello:/workspace:ro' in outputs["dockerRunCommand"]
    assert "--tar-path=/out/hello.tar" in outputs["dockerRunCommand"]
    assert f"--destination={DESTINATION}" in outputs["dockerRunCommandWithLogin"]


def test_an_image_waits_for_the_ref_in_its_build_arguments(deploy: Deploy) -> None:
    def program() -> None:
        base = Image("base", workspace_args())
        Image("top", workspace_args(build_args={"BASE": base.ref}))

    deployed = deploy(program)
    top = deployed.one(JOB, "top")
    ref = f"registry.example.com:5000/team/hello@{digest_of('base')}"
    assert f"--build-arg=BASE={ref}" in top.container["args"]
    assert deployed.one(JOB, "base").urn in deployed.ancestors_wait(top)
    assert deployed.one(STASH, "base-digest").urn in top.waits_for


# --- bad arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "problem"),
    [
        ("Hello", workspace_args(), "name: 'Hello' can't name an image"),
        ("hello", workspace_args(destination="a@b"), "destination: 'a@b' has a digest"),
        ("hello", workspace_args(tags=["a b"]), "tags[0]: 'a b' is no tag"),
        ("hello", workspace_args(context={"directory": "nowhere"}), "workspace: is not used"),
        (
            "hello",
            {key: value for key, value in workspace_args().items() if key != "workspace"},
            "workspace: is required, since the context is on a workspace; give its claimName",
        ),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_registered(
    deploy: Deploy, folder: Path, name: str, args: Any, problem: str
) -> None:
    def program() -> None:
        with pytest.raises(InvalidArgs) as caught:
            Image(name, args)
        assert f"  {problem}" in str(caught.value)
        assert str(caught.value).startswith(f"image '{name}' has ")

    assert deploy(program).resources == []
