"""The printed `docker run` commands, run as they are printed: the same build on a laptop.

No Docker engine runs on a test machine: `tests/stand_in/docker` gives the same executor a root of
its own instead.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import node_images, paths
from lab.enter import entered
from tests.conftest import has_pulumi, project
from tests.project import NAMESPACE, ROOT, Project, digests, kubectl, registry_password
from tests.stand_in import docker_run
from tests.stand_in.container import FAILED, Container, Refused, namespaces

pytestmark = pytest.mark.lab

STAND_IN = ROOT / "tests" / "stand_in"
REGISTRY = "localhost:5000"
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


@dataclass(frozen=True)
class Laptop:
    """A checkout on a machine of the lab's network, with a home folder of its own."""

    project: Project
    home: Path
    images: Mapping[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the project's folder."""
        lab_home = str(paths.home())
        with entered():
            path = f"{STAND_IN}:{Path(sys.executable).parent}:{os.environ['PATH']}"
            ended = subprocess.run(
                ["sh", "-c", command],
                cwd=self.project.folder,
                env={**os.environ, "PATH": path, "HOME": str(self.home), "LAB_HOME": lab_home},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
            )
        print(ended.stdout)
        return ended

    def commands(self, output: str) -> dict[str, str]:
        """Read an output of the stack: image -> its command."""
        text = self.project.run("output", output).output
        return dict(re.findall(r"^# (\S+)\n(.+)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The deployed program, and a laptop with the registry's login."""
    for made in project(tmp_path_factory, "pulumi" if has_pulumi() else "direct"):
        ended = made.up()
        assert ended.status == 0
        home = tmp_path_factory.mktemp("home")
        _log_in(home)
        _fill_workspace(made)
        yield Laptop(made, home, digests(ended.output))


@pytest.fixture(scope="module")
def without_login(laptop: Laptop) -> dict[str, str]:
    return laptop.commands("dockerRunCommands")


@pytest.fixture(scope="module")
def with_login(laptop: Laptop) -> dict[str, str]:
    return laptop.commands("dockerRunCommandsWithLogin")


def test_each_image_has_a_command_with_and_one_without_login(
    laptop: Laptop, without_login: dict[str, str], with_login: dict[str, str]
) -> None:
    assert set(without_login) == set(with_login) == set(laptop.images)


def test_without_a_login_a_directory_becomes_a_tar_file(
    laptop: Laptop, without_login: dict[str, str]
) -> None:
    ended = laptop.run(without_login["hello"])

    assert ended.returncode == 0
    config = _config(laptop.project.folder / "hello.tar")
    assert config["User"] == "1000"
    assert config["Cmd"] == ["cat", "/greeting"]


def test_without_a_login_a_workspace_folder_becomes_a_tar_file(
    laptop: Laptop, without_login: dict[str, str]
) -> None:
    ended = laptop.run(without_login["my-build"])

    assert ended.returncode == 0
    assert _config(laptop.project.folder / "my-build.tar")["Cmd"] == ["cat", "/message"]


def test_an_image_on_one_of_the_registry_needs_the_command_with_login(
    laptop: Laptop, without_login: dict[str, str]
) -> None:
    ended = laptop.run(without_login["greeter"])

    assert ended.returncode == 1
    assert f"{REGISTRY}/v2/" in ended.stdout


@pytest.mark.parametrize("image", ["hello", "my-build", "greeter"])
def test_with_a_login_an_image_is_pushed_through_a_port_forward_that_ends(
    laptop: Laptop, with_login: dict[str, str], image: str
) -> None:
    ended = laptop.run(with_login[image])

    assert ended.returncode == 0
    pushed = re.search(rf"Pushed {REGISTRY}/{image}@(sha256:[0-9a-f]{{64}})", ended.stdout)
    assert pushed
    assert pushed[1] != laptop.images[image]
    assert _digest_in_registry(image) == pushed[1]
    assert not _listens(5000)


def test_with_a_wrong_login_the_command_fails(
    laptop: Laptop, with_login: dict[str, str], tmp_path: Path
) -> None:
    _log_in(tmp_path, password="wrong")

    ended = Laptop(laptop.project, tmp_path, laptop.images).run(with_login["hello"])

    assert ended.returncode == 1
    assert "UNAUTHORIZED" in ended.stdout or "401 Unauthorized" in ended.stdout
    assert not _listens(5000)


def test_a_build_on_the_laptop_cant_write_to_its_context(laptop: Laptop) -> None:
    context = laptop.project.folder / "read-only"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox:stable\nRUN echo x > /workspace/written\n")
    maps = "--registry-map=index.docker.io=198.18.0.2:5000 --insecure-registry=198.18.0.2:5000"

    ended = laptop.run(
        f'docker run --rm --network=host -v "$PWD"/read-only:/workspace:ro {node_images.KANIKO} '
        f"--context=dir:///workspace --no-push {maps}"
    )

    assert ended.returncode == 1
    assert "Read-only file system" in ended.stdout
    assert [path.name for path in context.iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize(
    "words",
    [
        ["ps"],
        ["run", "busybox"],
        ["run", "--rm", "--network=host", "--privileged", node_images.KANIKO],
        ["run", "--rm", "--network=host", "-v", "relative:/x", node_images.KANIKO],
        ["run", "--rm", "--network=host", "-v", "/missing:/x", node_images.KANIKO],
        ["run", "--rm", "--network=host"],
    ],
)
def test_the_stand_in_refuses_what_it_does_not_understand(words: list[str]) -> None:
    with pytest.raises(Refused):
        docker_run.parse(words)


def test_the_stand_in_runs_nothing_outside_the_labs_network() -> None:
    ended = subprocess.run(
        [sys.executable, STAND_IN / "docker", "run", "--rm", "--network=host", node_images.KANIKO],
        capture_output=True,
        text=True,
    )

    assert ended.returncode == FAILED
    assert "in the lab's network only" in ended.stderr


SABOTAGED = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.stand_in import container
container.execute = lambda *_: print("RUN")
{{sabotage}}
sys.exit(container.main(sys.argv[1:]))
"""
UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]


@pytest.mark.parametrize(
    ("namespace", "sabotage", "reason"),
    [
        (UNSHARE, "", None),
        (UNSHARE, "container.pivot_root = lambda: None", "still that of the machine"),
        (UNSHARE, "container._libc.umount2 = lambda *_: 0", "the mounts are not those expected"),
        ([], "", "not in namespaces of its own"),
        (UNSHARE[:2] + UNSHARE[-1:], "", "not in namespaces of its own"),
    ],
    ids=[
        "as it is",
        "no pivot_root",
        "the machine's root stays",
        "no namespaces",
        "no process one",
    ],
)
def test_the_stand_in_runs_nothing_in_the_root_directory_of_the_machine(
    namespace: list[str], sabotage: str, reason: str | None
) -> None:
    archive = node_images.archive(node_images.kaniko()).path
    container = json.dumps(asdict(Container(str(archive), [], [], namespaces())))

    ended = subprocess.run(
        [*namespace, sys.executable, "-c", SABOTAGED.format(sabotage=sabotage), container],
        capture_output=True,
        text=True,
    )

    assert ("RUN" in ended.stdout) == (reason is None)
    assert (reason or "") in ended.stderr


def _log_in(home: Path, password: str | None = None) -> None:
    """Leave what `docker login localhost:5000` leaves."""
    login = f"kaniko:{password or registry_password()}"
    auths = {REGISTRY: {"auth": base64.b64encode(login.encode()).decode()}}
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": auths}))


def _fill_workspace(project: Project) -> None:
    """Give the laptop the folder that the loader of the catalogue writes in the cluster."""
    catalogue = yaml.safe_load((project.folder / "images.yaml").read_text())
    (script,) = catalogue["workspace"]["loader"]["args"]
    local = script.replace("/workspace/", f"{project.folder}/")
    subprocess.run(["sh", "-ec", local], check=True)


def _config(image: Path) -> dict[str, Any]:
    """Read the settings of the one image in an archive, with its layers there and whole."""
    with tarfile.open(image) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file
            return file.read()

        (manifest,) = json.loads(read("manifest.json"))
        config = json.loads(read(manifest["Config"]))
        assert len(manifest["Layers"]) == len(config["rootfs"]["diff_ids"]) > 0
        assert all(map(read, manifest["Layers"]))
    found: dict[str, Any] = config["config"]
    return found


def _listens(port: int) -> bool:
    with entered(), socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def _digest_in_registry(image: str) -> str:
    """Ask the registry, at its address in the cluster, which image is the newest."""
    words = ["-n", NAMESPACE, "get", "service", "kaniko-registry"]
    address = kubectl(*words, "-o", "jsonpath={.spec.clusterIP}")
    login = base64.b64encode(f"kaniko:{registry_password()}".encode()).decode()
    request = urllib.request.Request(
        f"http://{address}:5000/v2/{image}/manifests/latest",
        headers={"Authorization": f"Basic {login}", "Accept": ", ".join(MANIFESTS)},
    )
    with entered(), urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["Docker-Content-Digest"])
