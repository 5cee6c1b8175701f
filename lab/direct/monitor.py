"""The program's resource monitor: the engine's place in a direct deployment."""

import threading
import time
from pathlib import Path
from typing import Any

import pulumi
import yaml
from kubernetes.dynamic.exceptions import DynamicApiError
from pulumi.runtime.proto import resource_pb2
from urllib3.exceptions import HTTPError

from lab.direct.cluster import require_lab
from lab.direct.deployment import Deployment, Made
from lab.direct.objects import DirectError, Object, Step
from lab.direct.report import Report
from lab.direct.wire import EMPTY, plain, struct, unknown_as_none, urn_of, with_secrets

STACK = "pulumi:pulumi:Stack"
STASH = "pulumi:index:Stash"
KUBERNETES = "kubernetes:"
KUBERNETES_PROVIDER = "pulumi:providers:kubernetes"
PROVIDER_INPUTS = {"kubeconfig", "context", "enableServerSideApply"}

EXPECTED = (DirectError, DynamicApiError, HTTPError, OSError)
"""What a failed resource raises; everything else is a mistake of ours and stops the program."""

FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
]
"""What is honoured, or changes nothing here. The SDK itself refuses to use any other feature."""


class Monitor:
    """Answers the SDK's calls as the engine would, one thread a call."""

    def __init__(self, deployment: Deployment, report: Report, project: str) -> None:
        self.outputs: Object = {}
        self.urns: set[str] = set()
        self._deployment = deployment
        self._report = report
        self._project = project
        self._without_result: set[str] = set()
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        """Let every resource that is waited for fail at once."""
        self._deployment.cluster.interrupted.set()

    # The names of the following methods are the engine's own.

    def GetDeploymentInfo(self, request: Any) -> resource_pb2.DeploymentInfo:
        """Say which features the program may use."""
        return resource_pb2.DeploymentInfo(supportedFeatures=FEATURES)

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        """Let the program end."""
        return EMPTY

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> None:
        """Refuse functions of providers."""
        raise pulumi.RunError(f"{request.tok} needs the Pulumi CLI")

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> None:
        """Refuse to adopt what somebody else made."""
        raise pulumi.RunError(f"reading {request.type} {request.name} needs the Pulumi CLI")

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Any:
        """Keep the outputs of the stack; what a failed resource did not give is null."""
        if f"::{STACK}::" in request.urn:
            self.outputs = unknown_as_none(plain(request.outputs))
        return EMPTY

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Make a resource what the program says.

        A resource that fails is answered with `FAIL`, as the engine does with
        `--continue-on-error`: its outputs stay unknown, and the rest of the program goes on.
        """
        stack = self._deployment.cluster.stack
        urn = urn_of(request.parent, request.type, request.name, stack, self._project)
        with self._lock:
            if urn in self.urns:
                raise pulumi.RunError(f"two resources have the URN {urn}")
            self.urns.add(urn)
        if not request.custom and not request.remote:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        if self._needs_a_failed_one(request):
            self._report.skipped(urn)
            return self._no_result(urn)
        started = time.monotonic()
        try:
            made = self._make(urn, request)
        except EXPECTED as error:
            self._report.failed(urn, reason(error))
            return self._no_result(urn)
        self._report.end(urn, made.step, time.monotonic() - started)
        return resource_pb2.RegisterResourceResponse(
            urn=urn,
            id=made.id,
            object=struct(with_secrets(request, made.outputs)),
        )

    def _no_result(self, urn: str) -> resource_pb2.RegisterResourceResponse:
        with self._lock:
            self._without_result.add(urn)
        return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.FAIL)

    def _needs_a_failed_one(self, request: resource_pb2.RegisterResourceRequest) -> bool:
        needed = {request.parent, request.provider.rsplit("::", 1)[0], *request.dependencies}
        for part in request.propertyDependencies.values():
            needed.update(part.urns)
        with self._lock:
            return bool(needed & self._without_result)

    def _make(self, urn: str, request: resource_pb2.RegisterResourceRequest) -> Made:
        for option in ("remote", "importId", "protect", "retainOnDelete"):
            if getattr(request, option):
                raise DirectError(f"the option {option} needs the Pulumi CLI")
        inputs = plain(request.object)
        trigger = plain(request.replacement_trigger)
        ignored = set(request.ignoreChanges)
        if request.type == STASH:
            return self._deployment.stash(urn, inputs, trigger, ignored)
        if request.type == KUBERNETES_PROVIDER:
            return kubernetes_provider(request.name, inputs)
        if request.type.startswith(KUBERNETES):
            if request.type.split(":")[-1] != inputs.get("kind"):
                raise DirectError(f"{request.type} is no plain object: it needs the Pulumi CLI")
            return self._deployment.apply(urn, request.name, inputs, trigger, ignored)
        raise DirectError(f"{request.type} cannot be deployed here: it needs the Pulumi CLI")


def kubernetes_provider(name: str, inputs: Object) -> Made:
    """Accept a provider of the lab; all objects go there anyway."""
    if unknown := sorted(inputs.keys() - PROVIDER_INPUTS):
        raise DirectError(f"a Kubernetes provider's {unknown[0]} needs the Pulumi CLI")
    if kubeconfig := inputs.get("kubeconfig"):
        text = kubeconfig if "\n" in kubeconfig else Path(kubeconfig).read_text()
        for cluster in yaml.safe_load(text)["clusters"]:
            require_lab(cluster["cluster"]["server"])
    return Made(name, inputs, Step.SAME)


def reason(error: Exception) -> str:
    """Return the text of an error that a person needs."""
    text = error.summary() if isinstance(error, DynamicApiError) else error
    return str(text).strip() or type(error).__name__
