"""Every command of the README, run; its other examples, checked.

The tests tell one story with one deployed copy, in the order in which they stand.
"""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from lab import cluster, paths
from lab.enter import entered
from stack_config import factory_args
from tests.conftest import NO_CLI, has_pulumi, project
from tests.project import NAMESPACE, REGISTRY, ROOT, Ended, Project, digests
from tests.unit import conftest as mocked

pytestmark = pytest.mark.lab

Test = TypeVar("Test", bound=Callable[..., None])

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\S*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = {line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()}
IN_TEXT = set(re.findall(r"`(make(?: [^`]+)?)`", README))
LINKS = re.findall(r"\]\(([^)#]+)\)", README)

IMAGES = {"hello", "my-build", "greeter"}
MADE_FROM = ("Makefile", "prepare", "requirements.txt", "requirements-dev.txt")
LOCAL_FILE = "stacks/Pulumi.local.yaml"
NEEDED_ON_LAB = ("executorImage", "registryMaps", "insecureRegistries", "namespace")

deploy = mocked.deploy
needs_cli = pytest.mark.skipif(not has_pulumi(), reason=NO_CLI)

_tested: set[str] = set()


def runs(*commands: str) -> Callable[[Test], Test]:
    """Give a test these commands, one after the other, as `command`."""
    _tested.update(commands)
    return pytest.mark.parametrize("command", commands)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A checkout in which make works, with a namespace of the tests."""
    for made in project(tmp_path_factory, "pulumi" if has_pulumi() else "direct"):
        for name in MADE_FROM:
            (made.folder / name).symlink_to(ROOT / name)
        yield made


def run(copy: Project, command: str) -> Ended:
    """Run a command line as a person in the folder would."""
    begun = time.monotonic()
    found = subprocess.run(
        ["sh", "-c", command],
        cwd=copy.folder,
        env=copy.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    print(found.stdout)
    return Ended(found.returncode, found.stdout, time.monotonic() - begun)


def test_every_command_of_the_readme_is_run_by_a_test_of_this_file() -> None:
    assert {kind for kind, _ in BLOCKS} == {"mermaid", "sh", "yaml", "python"}
    assert _tested == COMMANDS | IN_TEXT


def test_every_file_that_the_readme_links_to_is_there() -> None:
    local = [link for link in LINKS if not link.startswith("https://")]

    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_catalogue_of_the_readme_is_that_of_the_repository_and_valid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "images.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)

    assert {image["name"] for image in factory_args("lab", {})["images"]} == IMAGES
    assert yaml.safe_load(text)["images"] == _catalogue()["images"]


def test_the_program_of_the_readme_builds_one_image_without_a_factory(
    deploy: mocked.Deploy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "python")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)

    deployed = deploy(lambda: exec(text, {}))

    assert [job.name for job in deployed.all(mocked.JOB)] == ["app"]
    assert deployed.all(mocked.REGISTRY) + deployed.all(mocked.WORKSPACE) == []
    outputs = deployed.one(mocked.IMAGE).outputs
    assert outputs
    (promised,) = re.findall(r"# image\.ref is (\S+@sha256:)", text)
    assert outputs["ref"].startswith(promised)


@runs("make")
def test_make_alone_lists_every_target(copy: Project, command: str) -> None:
    listed = run(copy, command).output

    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^make (\S+)", listed, re.MULTILINE) == targets


@runs("make test", "make check")
def test_make_would_run_the_tests(copy: Project, command: str) -> None:
    ended = run(copy, command.replace("make", "make --dry-run"))

    assert ended.status == 0
    assert "pytest -q tests/unit" in ended.output
    assert ("pytest tests/lab tests/engine" in ended.output) == (command == "make test")


@runs("make up")
def test_make_up_builds_the_images_and_runs_a_pod_of_one(copy: Project, command: str) -> None:
    ended = run(copy, command)

    assert ended.status == 0
    assert set(digests(ended.output)) == IMAGES
    assert "greeter, as user 1000, says: HELLO FROM AN IMAGE" in ended.output


@runs("make status")
def test_make_status_shows_the_builds(copy: Project, command: str) -> None:
    ended = run(copy, command)

    assert ended.status == 0
    assert all(re.search(rf"^{image} .*complete", ended.output, re.MULTILINE) for image in IMAGES)


@runs("make preview")
def test_make_preview_says_what_a_change_would_rebuild(copy: Project, command: str) -> None:
    before = copy.jobs()
    greeting = copy.folder / "examples/hello/greeting.txt"
    known = greeting.read_text()
    greeting.write_text("another\n")

    ended = run(copy, command)

    greeting.write_text(known)
    assert ended.status == 0
    assert "replace" in ended.output
    assert all(image in ended.output for image in ("hello", "greeter"))
    assert copy.jobs() == before


@runs(
    ".venv/bin/python -m cli output dockerRunCommands",
    ".venv/bin/python -m cli output dockerRunCommandsWithLogin",
)
def test_an_output_has_the_docker_run_of_each_image(copy: Project, command: str) -> None:
    # tests/lab/test_laptop.py runs what is printed.
    printed = _printed(run(copy, command))

    assert set(printed) == IMAGES
    assert all("docker run --rm " in line for line in printed.values())
    logins = [".docker/config.json" in line for line in printed.values()]
    assert logins == [command.endswith("WithLogin")] * len(IMAGES)


@runs(".venv/bin/python -m cli output statusCommands")
def test_an_output_has_the_command_that_prints_the_state_of_each_build(
    copy: Project, command: str
) -> None:
    printed = _printed(run(copy, command))

    assert set(printed) == IMAGES
    for line in printed.values():
        ended = subprocess.run(
            cluster.exec_argv(["sh", "-c", line]), capture_output=True, text=True
        )
        assert ended.returncode == 0
        assert "Complete" in ended.stdout.split()


@runs(".venv/bin/python -m lab exec -- kubectl -n kaniko get jobs")
def test_kubectl_runs_in_the_labs_network(copy: Project, command: str) -> None:
    ended = run(copy, command.replace("-n kaniko ", f"-n {NAMESPACE} "))

    assert ended.status == 0
    assert all(re.search(rf"{image}-\w+ +Complete", ended.output) for image in IMAGES)


@runs("make down LAB=1")
def test_make_down_removes_the_stack_and_then_the_lab(copy: Project, command: str) -> None:
    # Other tests need the lab; test_lab_lifecycle.py takes it down.
    planned = run(copy, command.replace("make", "make --dry-run"))
    assert shlex.split(planned.output)[1:] == ["-m", "cli", "down", "--lab"]

    assert run(copy, command.replace(" LAB=1", "")).status == 0
    assert copy.leftovers() == []


@needs_cli
@pytest.mark.engine
@runs("make up STACK=local")
def test_make_up_deploys_into_the_cluster_of_the_current_kubeconfig(
    copy: Project, command: str
) -> None:
    # What a cluster without Internet access needs; its nodes know nothing of the new registry.
    _configure_local(copy)
    shutil.rmtree(paths.trusted_registries() / REGISTRY, ignore_errors=True)
    with entered():
        ended = run(copy, command)
        removed = run(copy, command.replace("up", "down"))

    assert ended.status == 0
    assert set(digests(ended.output)) == IMAGES
    assert "No pod of greeter was run" in ended.output
    assert REGISTRY in ended.output.partition("No pod of greeter was run")[2]
    assert removed.status == 0
    assert copy.leftovers() == []


def _printed(ended: Ended) -> dict[str, str]:
    assert ended.status == 0
    return dict(re.findall(r"^# (\S+)\n(.+)$", ended.output, re.MULTILINE))


def _catalogue() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "images.yaml").read_text())
    return found


def _configure_local(copy: Project) -> None:
    lab = yaml.safe_load((copy.folder / "stacks/Pulumi.lab.yaml").read_text())["config"]
    path = copy.folder / LOCAL_FILE
    content = yaml.safe_load(path.read_text())
    content["config"] |= {
        f"pulumi-kaniko:{key}": lab[f"pulumi-kaniko:{key}"] for key in NEEDED_ON_LAB
    }
    path.write_text(yaml.safe_dump(content))
