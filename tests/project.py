"""A copy of the program that a test may change, deployed on the lab by one engine."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.labels import INSTANCE, MANAGED, MANAGED_BY
from lab import cluster

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "kaniko-test"
REGISTRY = f"kaniko-registry.{NAMESPACE}.svc.cluster.local:5000"
STACK_FILE = "stacks/Pulumi.lab.yaml"

_COPIED = ("Pulumi.yaml", "__main__.py", "stack_config.py", "images.yaml", "stacks", "examples")
_LINKED = ("components", "cli", "lab", ".venv")
_KINDS = "jobs,pods,configmaps,secrets,persistentvolumeclaims,services,deployments,namespaces"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str
    seconds: float


class Project:
    """One copy with its own state and namespace."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.engine = engine
        folder.mkdir()
        for name in _COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)
        for name in _LINKED:
            (folder / name).symlink_to(ROOT / name)
        self.configure(namespace=NAMESPACE)

    @property
    def environment(self) -> dict[str, str]:
        # What a surrounding make or Pulumi says is not meant for this copy.
        others = ("PULUMI_", "MAKE", "MFLAGS")
        own = {key: os.environ[key] for key in os.environ if not key.startswith(others)}
        return {**own, "ENGINE": self.engine, "STACK": "lab"}

    def configure(self, **values: Any) -> None:
        """Set keys of the stack's configuration; None removes one."""
        path = self.folder / STACK_FILE
        content = yaml.safe_load(path.read_text())
        for key, value in values.items():
            content["config"][f"pulumi-kaniko:{key}"] = value
            if value is None:
                del content["config"][f"pulumi-kaniko:{key}"]
        path.write_text(yaml.safe_dump(content))

    def run(self, *words: str) -> Ended:
        """Run `python -m cli` as make does."""
        begun = time.monotonic()
        found = subprocess.run(
            self.words(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        print(found.stdout)
        return Ended(found.returncode, found.stdout, time.monotonic() - begun)

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "cli", *words]

    def up(self) -> Ended:
        return self.run("up")

    def jobs(self) -> dict[str, str]:
        """Image -> uid of its newest build."""
        found = self.objects("jobs", "app.kubernetes.io/component=build")
        found.sort(key=lambda job: job["metadata"]["creationTimestamp"])
        return {job["metadata"]["labels"][INSTANCE]: job["metadata"]["uid"] for job in found}

    def objects(self, kinds: str, selector: str, namespace: str = NAMESPACE) -> list[Any]:
        where = ["--all-namespaces"] if namespace == "" else ["-n", namespace]
        words = ["get", kinds, *where, "-l", selector, "-o", "json"]
        found: list[Any] = json.loads(kubectl(*words))["items"]
        return found

    def leftovers(self) -> list[str]:
        """All objects of ours that are still in the cluster."""
        found = self.objects(_KINDS, f"{MANAGED}={MANAGED_BY}", namespace="")
        return [
            f"{item['kind']} {item['metadata']['name']}"
            for item in found
            if item["metadata"].get("namespace", item["metadata"]["name"]) == NAMESPACE
        ]


def kubectl(*words: str) -> str:
    """Run kubectl in the lab's network and give what it printed."""
    found = subprocess.run(
        cluster.exec_argv(["kubectl", *words]),
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig())},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return found.stdout


def registry_password() -> str:
    """Read the password of the registry's login from the pull secret."""
    words = ["-n", NAMESPACE, "get", "secrets", "-o", "json"]
    for secret in json.loads(kubectl(*words))["items"]:
        if secret["type"] == "kubernetes.io/dockerconfigjson":
            config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
            login = base64.b64decode(config["auths"][REGISTRY]["auth"]).decode()
            return login.partition(":")[2]
    raise AssertionError("there is no pull secret")


def digests(output: str) -> Mapping[str, str]:
    """Read the table that ends an `up`: image -> digest."""
    rows = re.findall(r"^(\S+) +(sha256:[0-9a-f]{64}) ", output, re.MULTILINE)
    return dict(rows)


def result(output: str, image: str) -> str:
    """Read what the table says of one image, such as `built in 4s`."""
    row = re.search(rf"^{image} +(?:sha256:\w+|-) +(.+?) *$", output, re.MULTILINE)
    assert row, f"the table has no row of {image}:\n{output}"
    return row[1]
