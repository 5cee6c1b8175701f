"""The direct deployment: its rules one by one, and whole programs on a cluster in memory."""

import json
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from lab.direct import objects, ready, wire
from lab.direct.__main__ import deploy, down, main, outputs
from lab.direct.cluster import Cluster, require_lab
from lab.direct.config import read_config
from lab.direct.objects import DirectError, Object

# --- rules ---------------------------------------------------------------------------------------


def job(name: str = "job", created: str = "2026-01-01T00:00:00Z", **more: Any) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "creationTimestamp": created, "annotations": {}, **more},
        "status": {},
    }


def with_condition(obj: Object, *kinds: str) -> Object:
    conditions = [{"type": kind, "status": "True", "message": f"{kind}!"} for kind in kinds]
    return {**obj, "status": {"conditions": conditions}}


def waits_for(obj: Object, **related: Callable[..., Any]) -> str | None:
    lookups: dict[str, Callable[..., Any]] = {
        "endpoint_slices": lambda: [],
        "binding_mode": lambda name: None,
        "pods": lambda: [],
        **related,
    }
    return ready.waits_for(obj, **lookups)


def test_the_same_content_has_the_same_name_whatever_its_labels() -> None:
    one = {"data": {"a": "1", "b": "2"}, "metadata": {"labels": {"x": "y"}}}
    same = {"metadata": {}, "data": {"b": "2", "a": "1"}}
    assert objects.content_name("files", one) == objects.content_name("files", same)
    assert objects.content_name("files", one) != objects.content_name("files", {"data": {}})


def test_a_fresh_name_is_never_given_twice() -> None:
    assert objects.fresh_name("hello") != objects.fresh_name("hello")


def test_marks_are_added_to_what_the_program_wrote() -> None:
    inputs = {"kind": "Job", "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
    made = objects.marked(inputs, "lab", "urn:x", "key")
    assert made["metadata"]["labels"] == {"a": "b", objects.LABEL: "lab"}
    assert made["metadata"]["annotations"] == {
        "c": "d",
        objects.URN: "urn:x",
        objects.TRIGGER: objects.digest("key"),
    }
    assert inputs["metadata"] == {"labels": {"a": "b"}, "annotations": {"c": "d"}}


def test_a_copy_of_the_label_by_a_controller_makes_no_object_ours() -> None:
    marked = objects.marked(job(), "lab", "urn:x", None)
    assert objects.is_owned(marked, "lab")
    assert not objects.is_owned(marked, "dev")
    assert not objects.is_owned({"metadata": {"labels": {objects.LABEL: "lab"}}}, "lab")
    marked["metadata"]["ownerReferences"] = [{"kind": "Job"}]
    assert not objects.is_owned(marked, "lab")


def test_another_trigger_replaces_an_object() -> None:
    desired = objects.marked(job(), "lab", "urn:x", {"key": "new"})
    live = objects.marked(job(), "lab", "urn:x", {"key": "old"})
    assert objects.must_replace(desired, live)
    assert not objects.must_replace(desired, desired)


def test_a_failed_job_is_replaced_where_it_asks_for_that() -> None:
    failed = with_condition(job(), "FailureTarget", "Failed")
    retried = job(annotations={"pulumi.com/replaceUnready": "true"})
    assert objects.must_replace(retried, failed)
    assert not objects.must_replace(job(), failed)


def test_after_a_failed_replacement_and_a_revert_the_older_job_is_kept() -> None:
    old = objects.marked(job("old"), "lab", "urn:x", "k1")
    failed = objects.marked(job("new", created="2026-01-02T00:00:00Z"), "lab", "urn:x", "k2")
    desired = objects.marked(job(), "lab", "urn:x", "k1")
    assert objects.best([failed, old], desired) == old
    assert objects.best([], desired) is None


@pytest.mark.parametrize(
    ("obj", "is_ready"),
    [
        (job(), False),
        (with_condition(job(), "SuccessCriteriaMet"), False),
        (with_condition(job(), "SuccessCriteriaMet", "Complete"), True),
        (job(annotations={"pulumi.com/skipAwait": "true"}), True),
        ({"kind": "ConfigMap", "metadata": {}}, True),
        ({"kind": "Namespace", "metadata": {}, "status": {"phase": "Active"}}, True),
        ({"kind": "Namespace", "metadata": {}, "status": {"phase": "Terminating"}}, False),
        ({"kind": "Service", "metadata": {}, "spec": {"selector": {"a": "b"}}}, False),
        ({"kind": "Service", "metadata": {}, "spec": {}}, True),
        ({"kind": "PersistentVolumeClaim", "metadata": {}, "status": {"phase": "Bound"}}, True),
        ({"kind": "PersistentVolumeClaim", "metadata": {}, "status": {"phase": "Pending"}}, False),
    ],
)
def test_an_object_is_ready_when_pulumi_says_so(obj: Object, is_ready: bool) -> None:
    assert (waits_for(obj) is None) is is_ready


def test_a_claim_that_waits_for_its_first_pod_is_ready() -> None:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {},
        "spec": {"storageClassName": "local-path"},
        "status": {"phase": "Pending"},
    }
    assert waits_for(claim, binding_mode=lambda name: "WaitForFirstConsumer") is None
    assert waits_for(claim, binding_mode=lambda name: "Immediate") == "the claim to be bound"


def test_a_service_is_ready_with_its_first_ready_endpoint() -> None:
    service = {"kind": "Service", "metadata": {}, "spec": {"selector": {"a": "b"}}}
    starting = [{"endpoints": [{"conditions": {"ready": False}}]}, {"endpoints": None}]
    assert waits_for(service, endpoint_slices=lambda: starting) is not None
    answering = [*starting, {"endpoints": [{"conditions": {"ready": True}}]}]
    assert waits_for(service, endpoint_slices=lambda: answering) is None


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        ({"observedGeneration": 1}, "the rollout to start"),
        ({"observedGeneration": 2}, "the rollout: 0 of 2 pods available"),
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3},
            "the pods of the older revision to go",
        ),
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2},
            None,
        ),
    ],
)
def test_a_deployment_is_ready_once_it_is_rolled_out(status: Object, missing: str | None) -> None:
    deployment = {
        "kind": "Deployment",
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": status,
    }
    assert waits_for(deployment) == missing


def test_a_failed_job_says_what_its_last_pod_said() -> None:
    def pod(created: str, message: str) -> Object:
        end = {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}
        statuses = [{"state": end}, {"state": {"terminated": {"exitCode": 0}}}]
        return {
            "metadata": {"creationTimestamp": created},
            "status": {"containerStatuses": statuses},
        }

    pods = [pod("2026-01-02T00:00:00Z", "no such stage\n"), pod("2026-01-01T00:00:00Z", "older")]
    with pytest.raises(DirectError, match=r"^Failed!\nno such stage$"):
        waits_for(with_condition(job(), "FailureTarget", "Failed"), pods=lambda: pods)


def test_a_job_is_waited_for_until_its_own_deadline() -> None:
    bounded = {**job(), "spec": {"activeDeadlineSeconds": 1800}}
    assert ready.timeout(bounded) == 1800 + ready.GRACE
    assert ready.timeout(job()) == ready.timeout({"kind": "Deployment"}) == 600


def test_messages_become_json_with_whole_numbers_and_without_secrets() -> None:
    message = struct_pb2.Struct()
    secret = {wire.SIGNATURE: wire.SECRET, "value": {"b": [1, 2.5, None]}}
    message.update({"a": True, "secret": secret})
    assert json.dumps(wire.plain(message)["secret"]) == '{"b": [1, 2.5, null]}'
    message.update({"file": {wire.SIGNATURE: "an asset"}})
    with pytest.raises(DirectError, match="assets"):
        wire.plain(message)


def test_urns_are_those_of_the_engine() -> None:
    stack = "urn:pulumi:lab::p::pulumi:pulumi:Stack::p-lab"
    outer = wire.urn_of(stack, "kaniko:index:ImageFactory", "f", "lab", "p")
    assert outer == "urn:pulumi:lab::p::kaniko:index:ImageFactory::f"
    inner = wire.urn_of(outer, "kaniko:index:Image", "i", "lab", "p")
    assert wire.urn_of(inner, "a:b:C", "c", "lab", "p") == (
        "urn:pulumi:lab::p::kaniko:index:ImageFactory$kaniko:index:Image$a:b:C::c"
    )


def test_only_the_api_server_of_the_lab_is_accepted() -> None:
    require_lab("https://198.18.0.2:6443")
    with pytest.raises(DirectError, match=r"on the lab \(198.18.0.2\) only"):
        require_lab("https://cluster.example.com")


# --- configuration -------------------------------------------------------------------------------


def stack_file(folder: Path, text: str) -> Path:
    path = folder / "Pulumi.lab.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def test_configuration_reaches_the_program_as_the_engine_would_write_it(tmp_path: Path) -> None:
    project = {
        "name": "p",
        "config": {
            "short": "default",
            "long": {"type": "boolean", "default": False},
            "unset": {"type": "string"},
            "aws:region": {"value": "eu-west-1"},
            "overridden": {"default": "default"},
        },
    }
    path = stack_file(
        tmp_path,
        """
        config:
          p:overridden: {a: [1, true]}
          size: 3
        """,
    )
    assert read_config(project, path) == {
        "p:short": "default",
        "p:long": "false",
        "aws:region": "eu-west-1",
        "p:overridden": '{"a": [1, true]}',
        "p:size": "3",
    }


@pytest.mark.parametrize("value", ["{secure: abc}", "[{login: {secure: abc}}]"])
def test_encrypted_configuration_is_refused(tmp_path: Path, value: str) -> None:
    path = stack_file(tmp_path, f"config: {{'p:token': {value}}}")
    with pytest.raises(DirectError, match="p:token is encrypted"):
        read_config({"name": "p"}, path)


def test_a_stack_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(DirectError, match=r"nowhere.yaml: No such file"):
        read_config({"name": "p"}, tmp_path / "nowhere.yaml")
    with pytest.raises(DirectError, match=r"Pulumi.lab.yaml"):
        read_config({"name": "p"}, stack_file(tmp_path, "config: ["))


def test_a_stack_that_is_not_the_lab_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["direct", "up", "--stack", "prod"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("error: the stack prod needs the Pulumi CLI")


# --- programs ------------------------------------------------------------------------------------

NAMESPACED = {
    "v1/ConfigMap": True,
    "v1/Secret": True,
    "v1/Namespace": False,
    "v1/Pod": True,
    "batch/v1/Job": True,
}


class Kind:
    """One kind of an API server in memory, with the interface of the dynamic client."""

    preferred = True
    verbs = ("list", "delete")

    def __init__(self, server: "Server", name: str) -> None:
        self.server, self.name = server, name
        self.group_version, _, self.kind = name.rpartition("/")
        self.namespaced = NAMESPACED[name]

    def get(
        self, name: str | None = None, namespace: str | None = None, label_selector: str = ""
    ) -> Any:
        if name is not None:
            return self.server.found(self.name, namespace, name)
        label, _, wanted = label_selector.partition("=")
        items = [
            SimpleNamespace(to_dict=lambda obj=obj: deepcopy(obj))
            for (kind, where, _), obj in self.server.objects.items()
            if kind == self.name
            and namespace in (None, where)
            and (obj["metadata"].get("labels") or {}).get(label) == wanted
        ]
        return SimpleNamespace(items=items)

    def server_side_apply(
        self, body: Object, namespace: str | None, dry_run: str = "", **_: Any
    ) -> Any:
        return self.server.written(self, body["metadata"]["name"], namespace, body, dry_run)

    def patch(
        self, body: Object, name: str, namespace: str | None, dry_run: str = "", **_: Any
    ) -> Any:
        live = self.server.found(self.name, namespace, name).to_dict()
        metadata = {**live["metadata"], **body.get("metadata", {})}
        data = {**live.get("data", {}), **body.get("data", {})}
        data = {key: value for key, value in data.items() if value is not None}
        body = {**live, **body, "metadata": metadata, **({"data": data} if data else {})}
        return self.server.written(self, name, namespace, body, dry_run)

    def delete(self, name: str, namespace: str | None, **_: Any) -> None:
        self.server.deleted.append(f"{self.kind}/{name}")
        del self.server.objects[self.name, namespace, name]


class Resources:
    """The kinds that the API server in memory serves."""

    def __init__(self, server: "Server") -> None:
        self._kinds = {name: Kind(server, name) for name in NAMESPACED}

    def __iter__(self) -> Iterator[list[Kind]]:
        return iter([[kind] for kind in self._kinds.values()])

    def get(self, api_version: str, kind: str) -> Kind:
        if f"{api_version}/{kind}" not in self._kinds:
            raise ResourceNotFoundError
        return self._kinds[f"{api_version}/{kind}"]


class Server:
    """An API server in memory, and the controllers that end Jobs."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], Object] = {}
        self.deleted: list[str] = []
        self.failing: set[str] = set()
        self.resources = Resources(self)
        self._clock = count(1)

    def found(self, kind: str, namespace: str | None, name: str) -> Any:
        try:
            obj = deepcopy(self.objects[kind, namespace, name])
        except KeyError:
            raise NotFoundError(
                SimpleNamespace(status=404, reason="", body="", headers={})
            ) from None
        return SimpleNamespace(to_dict=lambda: obj)

    def written(
        self, kind: Kind, name: str, namespace: str | None, body: Object, dry_run: str
    ) -> Any:
        key = (kind.name, namespace, name)
        now = next(self._clock)
        old = self.objects.get(key, {"metadata": {"uid": f"uid-{now}", "creationTimestamp": now}})
        stamps = {key: old["metadata"][key] for key in ("uid", "creationTimestamp")}
        obj = {**deepcopy(body), "metadata": {**deepcopy(body["metadata"]), **stamps}}
        if kind.kind == "Job":
            end = (
                "Failed" if any(name.startswith(prefix) for prefix in self.failing) else "Complete"
            )
            obj["status"] = old.get("status") or with_condition(obj, end)["status"]
        if kind.kind == "Namespace":
            obj["status"] = {"phase": "Active"}
        if not dry_run:
            self.objects[key] = obj
        return SimpleNamespace(to_dict=lambda: deepcopy(obj))

    def names(self, kind: str) -> list[str]:
        return sorted(name for found, _, name in self.objects if found.endswith(f"/{kind}"))


PROGRAM = """
import itertools
import pulumi
from pulumi_kubernetes import batch, core

pulumi.require_pulumi_version(">=3.0.0")
config = pulumi.Config()
opts = pulumi.ResourceOptions
digests = itertools.count()


class Image(pulumi.ComponentResource):
    def __init__(self, name, key, base=None):
        super().__init__("kaniko:index:Image", name)
        files = core.v1.ConfigMap(
            f"{name}-files",
            metadata={"namespace": namespace.metadata.name},
            data={"key": key},
            opts=opts(parent=self),
        )
        job = batch.v1.Job(
            name,
            metadata={
                "namespace": namespace.metadata.name,
                "annotations": {"pulumi.com/replaceUnready": "true", "base": base or "none"},
            },
            spec={"template": {"metadata": {"name": files.metadata.name}}},
            opts=opts(parent=self, ignore_changes=["spec"], replacement_trigger=key),
        )
        kept = pulumi.Stash(
            f"{name}-digest",
            input=job.metadata.apply(lambda made: f"{made.name}@{made.uid}"),
            opts=opts(parent=self, ignore_changes=["input"], replacement_trigger=job.metadata.uid),
        )
        self.ref = kept.output
        self.register_outputs({})


namespace = core.v1.Namespace("namespace", metadata={"name": "kaniko"})
password = pulumi.Stash(
    "password",
    input=pulumi.Output.secret(config.get("password") or "first"),
    opts=opts(ignore_changes=["input"]),
)
login = core.v1.Secret("login", string_data={"password": password.output})
hello = Image("hello", config.require("key"))
greeter = Image("greeter", "fixed", base=hello.ref)
if config.get_bool("other"):
    other = Image("other", "fixed")
    pulumi.log.info("building", resource=other, ephemeral=True)
    pulumi.log.info("building", resource=other, ephemeral=True)
pulumi.export("images", {"hello": hello.ref, "greeter": greeter.ref})
pulumi.export("password", password.output)
"""


class Lab:
    """Runs programs on one server, each in a thread of its own: the SDK keeps state in threads."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.server, self._capsys = folder, Server(), capsys
        self.text = ""
        (folder / "Pulumi.yaml").write_text("{name: p, runtime: python, config: {key: k1}}")
        self.program(PROGRAM)

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    def run(self, command: Callable[[Cluster], int]) -> int:
        with ThreadPoolExecutor(1) as thread:
            status = thread.submit(command, Cluster(self.server, "lab")).result()
        self.text = self._capsys.readouterr().out
        return status

    def up(self, preview: bool = False, **config: str) -> int:
        path = stack_file(self.folder, json.dumps({"config": config}))
        return self.run(lambda cluster: deploy(cluster, path, self.folder / "outputs", preview))

    @property
    def outputs(self) -> Any:
        return json.loads((self.folder / "outputs").read_text())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    monkeypatch.chdir(tmp_path)
    return Lab(tmp_path, capsys)


def test_a_program_is_deployed_and_its_outputs_are_private(lab: Lab) -> None:
    assert lab.up() == 0
    assert "Job hello created" in lab.text
    assert lab.outputs["password"] == "first"
    assert lab.outputs["images"]["greeter"].startswith("greeter-")
    assert (lab.folder / "outputs").stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing(lab: Lab) -> None:
    lab.up()
    before = deepcopy(lab.server.objects)
    assert lab.up(password="another") == 0
    assert lab.text.splitlines()[-1] == "9 unchanged"
    assert lab.server.objects.keys() == before.keys()
    assert lab.outputs["password"] == "first"


def test_a_new_trigger_replaces_the_job_and_its_digest_alone(lab: Lab) -> None:
    lab.up()
    before = lab.outputs["images"]
    assert lab.up(key="k2") == 0
    assert "Job hello replaced" in lab.text
    assert len(lab.server.names("Job")) == 2
    assert len([n for n in lab.server.names("ConfigMap") if n.startswith("hello")]) == 1
    assert lab.outputs["images"]["hello"] != before["hello"]
    # Only its annotation changed, and that restarts no build.
    assert lab.outputs["images"]["greeter"] == before["greeter"]


def test_a_failed_resource_stops_only_what_needs_it(lab: Lab) -> None:
    lab.server.failing = {"hello"}
    assert lab.up(other="true") == 1
    assert "Job greeter skipped" in lab.text
    assert "Job other created" in lab.text
    assert "error: Job hello: Failed!" in lab.text
    assert "Traceback" not in lab.text
    assert lab.outputs == {"images": {"hello": None, "greeter": None}, "password": "first"}


def test_a_failed_job_runs_again_and_then_all_is_quiet(lab: Lab) -> None:
    lab.server.failing = {"hello"}
    lab.up()
    lab.server.failing = set()
    assert lab.up() == 0
    assert "Job hello replaced" in lab.text
    assert len(lab.server.names("Job")) == 2
    assert lab.up() == 0
    assert lab.text.splitlines()[-1] == "9 unchanged"


def test_a_revert_after_a_failure_needs_no_build(lab: Lab) -> None:
    lab.up()
    before = lab.outputs
    lab.server.failing = {"hello"}
    assert lab.up(key="k2") == 1
    assert lab.up() == 0
    assert "Job hello unchanged" in lab.text
    assert lab.outputs == before


def test_a_run_that_was_killed_is_taken_up_again(lab: Lab) -> None:
    lab.up()
    # The new Job was made, and nothing after it.
    (name,) = [name for name in lab.server.names("Job") if name.startswith("hello")]
    orphan = deepcopy(lab.server.objects["batch/v1/Job", "kaniko", name])
    orphan["metadata"].update(name="hello-orphan", uid="orphan", creationTimestamp=999)
    orphan["metadata"]["annotations"][objects.TRIGGER] = objects.digest("k2")
    lab.server.objects["batch/v1/Job", "kaniko", "hello-orphan"] = orphan
    assert lab.up(key="k2") == 0
    assert "Job hello unchanged" in lab.text
    assert lab.outputs["images"]["hello"] == "hello-orphan@orphan"
    assert name not in lab.server.names("Job")


def test_what_the_program_no_longer_has_is_deleted_after_a_success_only(lab: Lab) -> None:
    lab.up(other="true")
    lab.server.failing = {"hello"}
    lab.up(key="k2")
    assert lab.server.deleted == []
    lab.server.failing = set()
    assert lab.up() == 0
    assert "Job other deleted" in lab.text
    assert [name for name in lab.server.names("Job") if name.startswith("other")] == []


def test_a_preview_says_what_would_be_and_changes_nothing(lab: Lab) -> None:
    lab.up(other="true")
    before = deepcopy(lab.server.objects)
    assert lab.up(preview=True, key="k2") == 0
    for line in ("Job hello replace", "Namespace namespace keep", "Job other delete"):
        assert line in lab.text
    assert lab.server.objects == before


def test_a_preview_of_an_empty_cluster_creates_everything(lab: Lab) -> None:
    assert lab.up(preview=True) == 0
    assert lab.text.splitlines()[-1] == "9 create"
    assert lab.server.objects == {}


def test_down_leaves_nothing_and_deletes_the_namespace_last(lab: Lab) -> None:
    lab.up()
    assert lab.run(down) == 0
    assert lab.server.objects == {}
    assert lab.server.deleted[-2:] == ["Namespace/kaniko", "Secret/pulumi-kaniko-direct-lab"]


def test_outputs_are_printed_again_from_the_cluster(lab: Lab) -> None:
    lab.up()
    assert lab.run(outputs) == 0
    assert json.loads(lab.text) == lab.outputs


def test_a_message_is_printed_once_with_its_resource(lab: Lab) -> None:
    lab.up(other="true")
    assert lab.text.count("Image other: building") == 1


def test_an_object_that_somebody_else_made_is_not_taken_over(lab: Lab) -> None:
    theirs = {"metadata": {"name": "kaniko", "uid": "theirs", "creationTimestamp": 0}}
    lab.server.objects["v1/Namespace", None, "kaniko"] = theirs
    assert lab.up() == 1
    assert "error: Namespace namespace: already exists" in lab.text
    assert lab.server.objects["v1/Namespace", None, "kaniko"] == theirs


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "import pulumi_aws as aws\naws.efs.FileSystem('files')",
            "FileSystem files: aws:efs/fileSystem:FileSystem cannot be deployed here",
        ),
        (
            "import pulumi_kubernetes as k\n"
            "k.Provider('p', kubeconfig='clusters: [{cluster: {server: \"https://example.com\"}}]\\n')",
            "works on the lab (198.18.0.2) only",
        ),
        (
            "import pulumi\nfrom pulumi_kubernetes import core\n"
            "core.v1.ConfigMap('c', opts=pulumi.ResourceOptions(protect=True))",
            "ConfigMap c: the option protect needs the Pulumi CLI",
        ),
        (
            "from pulumi_kubernetes import core\ncore.v1.ConfigMap.get('c', 'default/c')",
            "error: reading kubernetes:core/v1:ConfigMap c needs the Pulumi CLI",
        ),
        ("import pulumi\nraise pulumi.RunError('two mistakes')", "error: two mistakes\n"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(lab: Lab, program: str, told: str) -> None:
    lab.program(program)
    assert lab.up() == 1
    assert told in lab.text
    assert "Traceback" not in lab.text
    assert lab.server.objects == {}
