"""The commands for a laptop, read as a shell reads them."""

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from components.docker_run import docker_run_command, docker_run_command_with_login
from components.executor import Build

KANIKO = "ghcr.io/osscontainertools/kaniko:v1.28.3"
IN_CLUSTER = "kaniko-registry.kaniko.svc.cluster.local:5000"

OUTSIDE = Build(
    context="tar:///kaniko/context/context.tar.gz",
    dockerfile="Dockerfile",
    destinations=["registry.example.com/hello:latest"],
    build_args={},
    insecure_registries=[],
    registry_maps={},
)
INSIDE = replace(
    OUTSIDE,
    destinations=[f"{IN_CLUSTER}/greeter:latest"],
    build_args={"BASE": f"{IN_CLUSTER}/hello@sha256:{'0' * 64}"},
    insecure_registries=[IN_CLUSTER, "198.18.0.2:5000"],
)


def words(command: str, home: str = "/home/me", cwd: str = "/src") -> list[str]:
    """The words of a command, with $PWD and $HOME put in as a shell would."""
    return [
        word.replace("$PWD", cwd).replace("$HOME", home)
        for word in shlex.split(command, posix=True)
    ]


def mounts(command: list[str]) -> list[str]:
    return [command[index + 1] for index, word in enumerate(command) if word == "-v"]


def executor_words(command: list[str]) -> list[str]:
    return command[command.index(KANIKO) + 1 :]


def test_without_a_login_the_image_goes_to_a_tar_file_in_the_current_folder() -> None:
    command = words(docker_run_command("hello", KANIKO, OUTSIDE, "examples/hello"))
    assert command[:3] == ["docker", "run", "--rm"]
    assert mounts(command) == ["/src/examples/hello:/workspace:ro", "/src:/out"]
    assert executor_words(command) == [
        "--context=dir:///workspace",
        "--dockerfile=Dockerfile",
        "--destination=registry.example.com/hello:latest",
        "--log-format=text",
        "--no-push",
        "--tar-path=/out/hello.tar",
    ]


def test_with_a_login_the_laptops_own_docker_config_is_mounted_and_the_image_is_pushed() -> None:
    command = words(docker_run_command_with_login(KANIKO, OUTSIDE, "examples/hello"))
    assert mounts(command) == [
        "/src/examples/hello:/workspace:ro",
        "/home/me/.docker/config.json:/kaniko/.docker/config.json:ro",
    ]
    assert "--no-push" not in command
    assert "--destination=registry.example.com/hello:latest" in command
    assert "kubectl" not in command


def test_a_workspace_context_is_mounted_where_the_dockerfile_sees_it_in_the_cluster() -> None:
    build = replace(OUTSIDE, context="dir:///workspace/my-build")
    command = words(docker_run_command("my-build", KANIKO, build, "my-build"))
    assert mounts(command)[0] == "/src/my-build:/workspace/my-build:ro"
    assert "--context=dir:///workspace/my-build" in command


def test_an_absolute_folder_is_mounted_as_it_is() -> None:
    command = words(docker_run_command("hello", KANIKO, OUTSIDE, "/other/hello"))
    assert mounts(command)[0] == "/other/hello:/workspace:ro"


@pytest.mark.parametrize("folder", ["my folder/hello", "it's", "/other folder/a$b", "a;b", "`id`"])
def test_a_folder_with_spaces_or_quotes_is_one_mount(folder: str) -> None:
    expected = folder if folder.startswith("/") else f"/src/{folder}"
    for command in (
        docker_run_command("hello", KANIKO, OUTSIDE, folder),
        docker_run_command_with_login(KANIKO, OUTSIDE, folder),
    ):
        assert mounts(words(command))[0] == f"{expected}:/workspace:ro"


def test_a_workspace_path_with_spaces_is_one_mount() -> None:
    build = replace(OUTSIDE, context="dir:///workspace/my build")
    command = words(docker_run_command("hello", KANIKO, build, "my build"))
    assert mounts(command)[0] == "/src/my build:/workspace/my build:ro"


@pytest.mark.parametrize(
    "value", ["two words", "it's", '"quoted"', "$HOME", "a;b", "line\nline", "*", "`id`", ""]
)
def test_an_awkward_build_argument_reaches_kaniko_as_it_is(value: str) -> None:
    build = replace(OUTSIDE, build_args={"X": value})
    for command in (
        docker_run_command("hello", KANIKO, build, "hello"),
        docker_run_command_with_login(KANIKO, build, "hello"),
    ):
        assert f"--build-arg=X={value}" in shlex.split(command)


def test_a_registry_inside_the_cluster_is_reached_through_a_port_forward() -> None:
    command = docker_run_command_with_login(KANIKO, INSIDE, "examples/greeter")
    forward, rest = command.split(" & ", 1)
    assert shlex.split(forward) == [
        "kubectl",
        "-n",
        "kaniko",
        "port-forward",
        "service/kaniko-registry",
        "5000:5000",
    ]
    run = words(rest.partition("; ")[2])
    assert "--network=host" in run
    assert "--destination=localhost:5000/greeter:latest" in run
    assert f"--build-arg=BASE=localhost:5000/hello@sha256:{'0' * 64}" in run
    assert "--insecure-registry=localhost:5000" in run
    assert "--insecure-registry=198.18.0.2:5000" in run
    assert IN_CLUSTER not in command


def test_no_laptop_is_sent_to_an_address_inside_the_cluster() -> None:
    for command in (
        docker_run_command("greeter", KANIKO, INSIDE, "examples/greeter"),
        docker_run_command_with_login(KANIKO, INSIDE, "examples/greeter"),
    ):
        assert ".svc" not in command.replace("kubectl -n kaniko", "")


@pytest.mark.parametrize("build", [OUTSIDE, INSIDE])
@pytest.mark.parametrize("folder", ["context", "my context"])
def test_a_shell_runs_the_command_to_its_end(tmp_path: Path, build: Build, folder: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {
        "docker": 'printf "%s\\n" "$@" > docker.txt',
        "kubectl": "echo $$ > kubectl.txt; exec /bin/sleep 60",
        "sleep": "exec /bin/sleep 0.2",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    subprocess.run(
        ["sh", "-c", docker_run_command_with_login(KANIKO, build, folder)],
        cwd=tmp_path,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/home/me"},
        timeout=20,
        check=True,
        capture_output=True,
    )
    arguments = (tmp_path / "docker.txt").read_text().splitlines()
    assert f"{tmp_path}/{folder}:/workspace:ro" in arguments
    if build is INSIDE:
        forward = int((tmp_path / "kubectl.txt").read_text())
        with pytest.raises(ProcessLookupError):
            ended(forward)


def ended(pid: int) -> None:
    """Raise ProcessLookupError when a process isn't there any more."""
    for _ in range(50):
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            raise ProcessLookupError
        os.kill(pid, 0)
        os.sched_yield()
        subprocess.run(["/bin/sleep", "0.02"], check=True)


def test_a_failed_build_on_the_laptop_is_a_failed_command(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {"docker": "exit 7", "kubectl": "exec /bin/sleep 60", "sleep": ":"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    for build in (OUTSIDE, INSIDE):
        done = subprocess.run(
            ["sh", "-c", docker_run_command_with_login(KANIKO, build, "hello")],
            cwd=tmp_path,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/home/me"},
            timeout=20,
            capture_output=True,
        )
        assert done.returncode == 7, build.destinations
