"""The program: what `pulumi up` runs in this repository."""

import json
import runpy
import shlex
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.unit.conftest import FACTORY, IMAGE, Deploy, Deployed, digest_of

ROOT = Path(__file__).resolve().parents[2]
HOST = "kaniko-registry.kaniko.svc.cluster.local:5000"


def run(deploy: Deploy, **config: Any) -> Deployed:
    values = {
        f"pulumi-kaniko:{key}": given if isinstance(given, str) else json.dumps(given)
        for key, given in config.items()
    }

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.syspath_prepend(str(ROOT))
        pulumi.runtime.set_all_config(values)
        try:
            return deploy(program)
        finally:
            pulumi.runtime.set_all_config({})


@pytest.fixture(scope="module")
def plain(deploy: Deploy) -> Deployed:
    return run(deploy)


def test_it_can_be_read_in_one_breath() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 60


def test_it_is_one_factory_with_the_images_of_the_catalogue(plain: Deployed) -> None:
    assert plain.one(FACTORY).name == "kaniko"
    assert {image.name for image in plain.all(IMAGE)} == {
        f"kaniko-{name}" for name in ("hello", "my-build", "greeter")
    }


def test_it_exports_images_registry_and_status_commands(plain: Deployed) -> None:
    names = ("hello", "my-build", "greeter")
    assert plain.exports["images"] == {
        name: {"ref": f"{HOST}/{name}@{digest_of(name)}", "digest": digest_of(name)}
        for name in names
    }
    assert plain.exports["registry"] == HOST
    assert plain.exports["namespace"] == "kaniko"
    assert plain.exports["pullSecret"] == "kaniko-credentials-login-1a2b3c4d"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("statusCommands", ["kubectl", "-n", "kaniko", "get", "job"]),
        ("dockerRunCommands", ["docker", "run", "--rm"]),
        ("dockerRunCommandsWithLogin", ["kubectl", "-n", "kaniko", "port-forward"]),
    ],
)
def test_it_prints_the_commands_of_each_image_below_its_name(
    plain: Deployed, output: str, words: list[str]
) -> None:
    found = {}
    for part in plain.exports[output].split("\n\n"):
        name, command = part.split("\n", 1)
        found[name.removeprefix("# ")] = shlex.split(command)[: len(words)]
    assert found == dict.fromkeys(("hello", "my-build", "greeter"), words)


def test_the_configuration_of_the_stack_reaches_the_factory(deploy: Deploy) -> None:
    deployed = run(deploy, namespace="elsewhere", registry={"size": "1Gi"}, createNamespace="false")
    assert deployed.exports["namespace"] == "elsewhere"
    claim = deployed.one("kubernetes:core/v1:PersistentVolumeClaim", "kaniko-registry-claim")
    assert claim.inputs["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_mistakes_end_it_with_their_lines_before_anything_is_registered(deploy: Deploy) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(deploy, storage="efs", namespase="x")
    assert str(caught.value).startswith("stack 'test' has ")
    assert "stacks/Pulumi.test.yaml: pulumi-kaniko:namespase: unknown key" in str(caught.value)
