"""The components under Pulumi's mocks, and a small vocabulary to say what they registered."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import bcrypt
import grpc  # type: ignore[import-untyped]
import pulumi
import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor, Mocks
from pulumi.runtime.proto import engine_pb2, resource_pb2, source_pb2
from pulumi.runtime.settings import Settings, configure
from semver import VersionInfo

from components import image as image_module
from components.engine import OLDEST_ENGINE

PROJECT = "pulumi-kaniko"
STACK = "test"

CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
STASH = "pulumi:index:Stash"

CREDENTIALS = "kaniko:index:Credentials"
FACTORY = "kaniko:index:ImageFactory"
IMAGE = "kaniko:index:Image"
REGISTRY = "kaniko:index:Registry"
WORKSPACE = "kaniko:index:Workspace"

_gensalt = bcrypt.gensalt
_ROOT = "pulumi:pulumi:Stack"
_SIGNATURE = rpc._special_sig_key
_SECRET = rpc._special_secret_sig


def digest_of(image: str) -> str:
    """The digest that the mocked build of an image ends with."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


@dataclass
class Registered:
    """A resource as the program registered it.

    Attributes:
        inputs: plain values, secrets and all.
        secrets: the keys of inputs that hold a secret.
        outputs: what a component registered at its end; None when it never did.
        secret_outputs: the keys of outputs that hold a secret.
    """

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    secrets: set[str]
    request: Any = field(repr=False)
    outputs: dict[str, Any] | None = None
    secret_outputs: set[str] = field(default_factory=set)

    @property
    def is_component(self) -> bool:
        return not self.request.custom

    @property
    def waits_for(self) -> set[str]:
        """URNs of all that has to be there before it."""
        return set(self.request.dependencies)

    @property
    def trigger(self) -> Any:
        """The value whose change replaces it."""
        return plain(self.request.replacement_trigger)

    @property
    def ignored(self) -> list[str]:
        return list(self.request.ignoreChanges)

    @property
    def annotations(self) -> dict[str, str]:
        found: dict[str, str] = self.inputs["metadata"].get("annotations", {})
        return found

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.inputs["metadata"].get("labels", {})
        return found

    @property
    def pod(self) -> dict[str, Any]:
        """The pod of a Job or a Deployment."""
        found: dict[str, Any] = self.inputs["spec"]["template"]["spec"]
        return found

    @property
    def container(self) -> dict[str, Any]:
        (found,) = self.pod["containers"]
        return dict(found)

    @property
    def mounts(self) -> dict[str, dict[str, Any]]:
        """Path in the container -> what is mounted there, with its volume as `volume`."""
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        return {
            mount["mountPath"]: {**mount, "volume": volumes[mount["name"]]}
            for mount in self.container["volumeMounts"]
        }


@dataclass
class Deployed:
    """All that a program registered, in its order."""

    resources: list[Registered] = field(default_factory=list)
    exports: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    watched: list[tuple[str, str, str]] = field(default_factory=list)

    def all(self, type_: str) -> list[Registered]:
        return [resource for resource in self.resources if resource.type == type_]

    def one(self, type_: str, name: str | None = None) -> Registered:
        """The only resource of a type, or the one of that name."""
        found = [known for known in self.all(type_) if name in (None, known.name)]
        names = [(known.type, known.name) for known in self.resources]
        assert len(found) == 1, f"{len(found)} of {type_} {name or ''} among {names}"
        return found[0]

    def children_of(self, parent: Registered) -> list[Registered]:
        return [resource for resource in self.resources if resource.parent == parent.urn]

    def below(self, ancestor: Registered) -> list[Registered]:
        """Children, and all that is below them."""
        children = self.children_of(ancestor)
        return [*children, *(deeper for child in children for deeper in self.below(child))]

    def ancestors_wait(self, resource: Registered) -> set[str]:
        """URNs that it waits for, directly or through those it waits for."""
        known = {found.urn: found for found in self.resources}
        waiting, seen = list(resource.waits_for), set()
        while waiting:
            urn = waiting.pop()
            if urn not in seen:
                seen.add(urn)
                waiting += known[urn].waits_for if urn in known else []
        return seen


def plain(value: Any) -> Any:
    """A message's value as Python's own: secrets unwrapped, whole numbers as integers."""
    if isinstance(value, struct_pb2.Value):
        kind = value.WhichOneof("kind")
        return None if kind in (None, "null_value") else plain(getattr(value, kind))
    if isinstance(value, struct_pb2.Struct):
        if value.fields[_SIGNATURE].string_value == _SECRET:
            return plain(value.fields["value"])
        return {key: plain(inner) for key, inner in value.fields.items() if key != _SIGNATURE}
    if isinstance(value, struct_pb2.ListValue):
        return [plain(inner) for inner in value.values]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _secret_keys(message: Any) -> set[str]:
    return {key for key, value in message.fields.items() if _SECRET in str(value)}


class _Engine:
    def __init__(self, version: str, deployed: Deployed) -> None:
        self._version, self._deployed = VersionInfo.parse(version), deployed

    def Log(self, request: engine_pb2.LogRequest) -> None:
        if request.severity != engine_pb2.DEBUG:
            self._deployed.log.append(request.message)

    def RequirePulumiVersion(self, request: engine_pb2.RequirePulumiVersionRequest) -> None:
        if not self._version.match(request.pulumi_version_range):
            raise _TooOld(f"{self._version} does not satisfy {request.pulumi_version_range}")


class _TooOld(grpc.RpcError):  # type: ignore[misc]
    def code(self) -> Any:
        return grpc.StatusCode.FAILED_PRECONDITION

    def details(self) -> str:
        return str(self)


class _Monitor(MockMonitor):
    """Answers as the engine and the Kubernetes provider do when everything goes well."""

    def __init__(self, deployed: Deployed, *, preview: bool, created: str) -> None:
        super().__init__(_NoCalls())
        self._deployed, self._preview, self._created = deployed, preview, created

    def RegisterResource(self, request: Any) -> resource_pb2.RegisterResourceResponse:
        urn = _urn(request)
        if request.type == _ROOT:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if any(known.urn == urn for known in self._deployed.resources):
            raise pulumi.RunError(f"Duplicate resource URN '{urn}'")
        secrets = _secret_keys(request.object)
        made = Registered(
            request.type, request.name, urn, request.parent, plain(request.object), secrets, request
        )
        self._deployed.resources.append(made)
        if made.is_component:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        answer = struct_pb2.Struct()
        for key, value in self._state(made).items():
            secret = key in secrets or (key == "output" and "input" in secrets)
            answer[key] = {_SIGNATURE: _SECRET, "value": value} if secret else value
        known_id = "" if self._preview else f"{request.name}-id"
        return resource_pb2.RegisterResourceResponse(urn=urn, id=known_id, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs, secrets = plain(request.outputs), _secret_keys(request.outputs)
        if f"::{_ROOT}::" in request.urn:
            self._deployed.exports = outputs
        for known in self._deployed.resources:
            if known.urn == request.urn:
                known.outputs, known.secret_outputs = outputs, secrets
        return empty_pb2.Empty()

    def _state(self, made: Registered) -> dict[str, Any]:
        if made.type == STASH:
            output = rpc.UNKNOWN if self._preview else made.inputs.get("input")
            return {**made.inputs, "output": output}
        if "metadata" not in made.inputs:
            return made.inputs
        given = made.inputs["metadata"]
        metadata = {
            "name": f"{made.name}-1a2b3c4d",
            **given,
            "uid": f"uid-{_instance(given) if made.type == JOB else made.name}",
            "creationTimestamp": self._created,
        }
        return {**made.inputs, "metadata": rpc.UNKNOWN if self._preview else metadata}


def _instance(metadata: dict[str, Any]) -> str:
    return str(metadata["labels"]["app.kubernetes.io/instance"])


class _NoCalls(Mocks):
    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        raise AssertionError(f"{args.token} is called, which no component needs")

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> Any:
        raise AssertionError(f"{args.typ} is read, which no component needs")


def _urn(request: Any) -> str:
    parent = request.parent.split("::")[2] if request.parent else _ROOT
    chain = request.type if parent == _ROOT else f"{parent}${request.type}"
    return f"urn:pulumi:{STACK}::{PROJECT}::{chain}::{request.name}"


class _Reader:
    """The cluster, as far as an image reads it."""

    def __init__(self, digests: Mapping[str, str], strays: list[str]) -> None:
        self._digests, self._strays = digests, strays

    def digest(self, namespace: str, job_uid: str) -> str:
        image = job_uid.removeprefix("uid-")
        return self._digests.get(image, digest_of(image))

    def strays(self, namespace: str, job_labels: Mapping[str, str], job_uid: str) -> list[str]:
        return self._strays


class Deploy(Protocol):
    """Runs a program to its end under the mocks."""

    def __call__(
        self,
        program: Callable[[], object],
        *,
        preview: bool = False,
        engine: str = OLDEST_ENGINE,
        digests: Mapping[str, str] | None = None,
        strays: list[str] | None = None,
        created: str = "2999-01-01T00:00:00Z",
    ) -> Deployed:
        """Deploy.

        Args:
            program: what `__main__.py` would be.
            preview: as `pulumi preview` runs it.
            engine: version of the engine.
            digests: image -> the digest its pod has left; one made from its name by default.
            strays: Jobs that an interrupted `up` has left.
            created: when all objects were made; in this `up` by default.
        """


@pytest.fixture(scope="session")
def deploy() -> Deploy:
    """Run programs without an engine, a cluster or a network."""
    return _deploy


def _deploy(
    program: Callable[[], object],
    *,
    preview: bool = False,
    engine: str = OLDEST_ENGINE,
    digests: Mapping[str, str] | None = None,
    strays: list[str] | None = None,
    created: str = "2999-01-01T00:00:00Z",
) -> Deployed:
    deployed = Deployed()
    reader = _Reader(digests or {}, strays or [])
    watch = SimpleNamespace(add=lambda *known: deployed.watched.append(known[:3]))
    configure(
        Settings(
            project=PROJECT,
            stack=STACK,
            monitor=_Monitor(deployed, preview=preview, created=created),
            engine=_Engine(engine, deployed),
            dry_run=preview,
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_module, "cluster", lambda access: reader)
        patch.setattr(image_module, "watch", lambda access: watch)
        # Both take most of the time and matter to nobody here.
        patch.setattr(bcrypt, "gensalt", _cheap_salt)
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        _run(program)
    return deployed


def _cheap_salt(rounds: int) -> bytes:
    return _gensalt(min(rounds, 4))


def _run(program: Callable[[], object]) -> None:
    loop, executor = asyncio.new_event_loop(), ThreadPoolExecutor(max_workers=4)
    # What a program that failed leaves unawaited is no news.
    loop.set_exception_handler(lambda loop, context: None)
    loop.set_default_executor(executor)
    asyncio.set_event_loop(loop)

    def run() -> None:
        program()

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        executor.shutdown()
        loop.close()
        asyncio.set_event_loop(None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hello(folder: Path) -> str:
    """A build context, as its path relative to the current folder."""
    return context(folder / "hello").name


def context(folder: Path) -> Path:
    """Write a small build context."""
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox:stable\nCOPY greeting /\n")
    (folder / "greeting").write_text("hello\n")
    return folder
