"""The lab as a whole: up, down, and running commands in it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import (
    addresses,
    cgroups,
    configuration,
    debian,
    files,
    gotools,
    network,
    node,
    node_images,
    parts,
    paths,
    preflight,
    processes,
    upstream,
    versions,
)
from lab.errors import LabError
from lab.progress import Report

READY_SECONDS = 180.0
# There is no way to a proxy from the lab's network.
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")
NODE_READY = '{.status.conditions[?(@.type=="Ready")].status}'


def report() -> Report:
    """Make a report that remembers durations in `LAB_HOME`."""
    return Report(paths.home() / "times.json")


@contextmanager
def _alone(told: Report) -> Iterator[None]:
    """Let one command at a time change the lab."""
    paths.home().mkdir(parents=True, exist_ok=True)
    with (paths.home() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told.say("Another lab command is at work; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_running() -> bool:
    """Say whether there is a lab on this machine, ready or not."""
    return processes.init_pid() is not None


def part_pids() -> dict[str, int]:
    """Give the process of each part as the lab's process 1 sees it; 0 for one that is down."""
    try:
        state = json.loads((paths.run() / "parts.json").read_text()) if is_running() else {}
    except FileNotFoundError:
        state = {}
    return {name: state.get(name, {}).get("pid", 0) for name in parts.NAMES}


def part_starts(name: str) -> int:
    """Say how often a part was started."""
    state = json.loads((paths.run() / "parts.json").read_text())
    return int(state[name]["starts"])


def kubeconfig() -> Path:
    """Give the kubeconfig of the cluster's administrator.

    Raises:
        LabError: The lab is not running.
    """
    if not is_running():
        raise LabError("The lab is not running. Start it with `python -m lab up`.")
    return paths.kubeconfig()


def exec_argv(command: Sequence[str]) -> list[str]:
    """Give the command line that runs a program in the lab's network, with its `kubectl`.

    Args:
        command: The program and its arguments.

    Raises:
        LabError: The lab is not running.
    """
    init = processes.init_pid()
    if init is None:
        raise LabError("The lab is not running. Start it with `python -m lab up`.")
    programs = gotools.folder_of(gotools.KUBERNETES)
    return [
        *("nsenter", f"--net=/proc/{init}/ns/net", "--", "env"),
        *(f"--unset={name}" for name in PROXIES),
        processes.mark(),
        f"KUBECONFIG={paths.kubeconfig()}",
        f"PATH={programs}:{os.environ.get('PATH', os.defpath)}",
        *command,
    ]


def kubectl(*words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run kubectl in the lab.

    Args:
        words: Its arguments.
        timeout: Seconds.

    Returns:
        Status and output.
    """
    command = exec_argv(["kubectl", *words])
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def is_ready() -> bool:
    """Say whether all parts run and the node is Ready."""
    return all(part_pids().values()) and is_node_ready()


def is_node_ready() -> bool:
    """Say whether the cluster calls its node Ready."""
    if not is_running():
        return False
    name = f"node/{addresses.NODE_NAME}"
    answer = kubectl("get", name, "-o", f"jsonpath={NODE_READY}", "--request-timeout=5s")
    return answer.stdout == "True"


def up(told: Report | None = None) -> None:
    """Start the lab, or whatever of it is missing, and wait until it can be used.

    Args:
        told: Is told what happens.

    Raises:
        LabError: Something on the machine is missing, a build failed, or a part does not start.
    """
    told = told or report()
    if os.geteuid() != 0:
        preflight.refuse(preflight.problems())
    with _alone(told):
        if is_running() and _is_complete():
            told.say(f"The lab is running: Kubernetes {versions.KUBERNETES}, node Ready.")
            return
        preflight.refuse(preflight.problems())
        debian.unpack(versions.DEBIAN_PACKAGES, told)
        preflight.refuse(preflight.kernel_problems())
        gotools.build(_needed(), told)
        _remove_old_builds()
        with told.step("Make the images"):
            upstream.ensure_busybox()
            archives = node_images.archives()
        with told.step("Start the lab"):
            _start()
            _wait("containerd", node.is_containerd_ready)
            node.load(node.missing(archives))
            _wait("kube-apiserver", lambda: kubectl("get", "--raw=/readyz").returncode == 0)
            _wait("kube-apiserver", _apply_manifests)
            _wait("coredns", _resolves_names)
            _wait("kubelet", is_node_ready)
            _wait("kube-controller-manager", _has_service_account)
        told.say(f"The lab is running: Kubernetes {versions.KUBERNETES}, node Ready.")


def _needed() -> list[gotools.GoTool]:
    unneeded = [gotools.KANIKO] if node_images.chosen_executor() else []
    return [tool for tool in gotools.ALL if tool not in unneeded]


def _is_complete() -> bool:
    if gotools.missing(_needed()) or not debian.node_folder().exists() or not network.is_linked():
        return False
    if _running_specification() != parts.specification() or not is_ready():
        return False
    return not node.missing(node_images.archives())


def _running_specification() -> object:
    try:
        return json.loads((paths.run() / "lab.json").read_text())
    except (OSError, ValueError):
        return None


def _start() -> None:
    """Make the lab run as specified: one that runs otherwise is started anew, with its data."""
    specification = parts.specification()
    if is_running() and _running_specification() != specification:
        _stop()
    if not is_running():
        if not network.unlink():
            raise LabError(f"The link {addresses.HOST_LINK} of an earlier lab does not go away.")
        configuration.write_all()
        node.trust_upstream()
        cgroups.create()
        files.write_json(paths.run() / "lab.json", specification)
        _start_init()
    init = processes.init_pid()
    if init is not None:
        network.link(init)


def _start_init() -> None:
    paths.logs().mkdir(parents=True, exist_ok=True)
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--"]
    name, _, value = processes.mark().partition("=")
    with (paths.logs() / "init.log").open("ab") as log:
        process = subprocess.Popen(
            [*namespaces, sys.executable, "-P", str(parts.INIT), str(paths.run())],
            cwd="/",
            env={**os.environ, name: value},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    while not is_running():
        if process.poll() is not None:
            raise LabError(f"The lab ended at once:\n{last_lines('init')}")
        time.sleep(0.02)


def _wait(part: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if not is_running():
            raise LabError(f"The lab ended:\n{last_lines('init')}")
        if time.monotonic() > deadline:
            raise LabError(
                f"{part} is not ready after {READY_SECONDS:.0f} s. The end of its log:\n"
                f"{last_lines(part)}"
            )
        time.sleep(0.1)


def last_lines(part: str, count: int = 8) -> str:
    """Give the end of a part's log.

    Args:
        part: Its name, or `init`.
        count: Number of lines.
    """
    try:
        lines = (paths.logs() / f"{part}.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(nothing)"
    return "\n".join(lines[-count:])


def _apply_manifests() -> bool:
    manifests = str(paths.run() / "config/manifests.json")
    return kubectl("apply", "--server-side", "--force-conflicts", "-f", manifests).returncode == 0


def _resolves_names() -> bool:
    name = f"kubernetes.default.svc.{addresses.DOMAIN}"
    command = exec_argv([str(node_images.busybox_program()), "nslookup", name, addresses.DNS])
    return subprocess.run(command, capture_output=True).returncode == 0


def _has_service_account() -> bool:
    return kubectl("get", "serviceaccount/default", "--namespace=default").returncode == 0


def _remove_old_builds() -> None:
    """Remove builds of other versions of the tools that are all built now, and what kills left.

    Those of other toolchains stay: the same version may be wanted with and without Go on PATH.
    """
    for tool in gotools.ALL:
        for folder in paths.builds().glob(f"{tool.name}-[0-9]*"):
            this_version = folder.name.startswith(f"{tool.name}-{tool.version}-")
            if gotools.folder_of(tool).exists() and not this_version:
                shutil.rmtree(folder)
        for unfinished in paths.builds().glob(f".{tool.name}-*"):
            shutil.rmtree(unfinished)


def down(told: Report | None = None) -> None:
    """End the lab and remove all it left on the machine; what was built stays.

    Args:
        told: Is told what happens.

    Raises:
        LabError: Something can't be removed; the text says what.
    """
    told = told or report()
    if os.geteuid() != 0:
        raise LabError("It needs root: run it as root or with sudo.")
    with _alone(told):
        was_there = is_running() or paths.run().exists()
        _stop()
        if not processes.other_home():
            _remove_from_machine()
        _remove_run()
        told.say("The lab is gone." if was_there else "There is no lab.")


def _remove_run() -> None:
    """Remove the folder of the run; a kill in between leaves none that looks usable."""
    if paths.run().exists():
        paths.run().rename(paths.home() / f"removed-{os.getpid()}")
    for folder in paths.home().glob("removed-*"):
        shutil.rmtree(folder)


def _remove_from_machine() -> None:
    if not network.unlink():
        raise LabError(f"The link {addresses.HOST_LINK} does not go away.")
    if not cgroups.remove():
        left = ", ".join(str(path) for path in cgroups.remaining())
        raise LabError(f"These cgroups do not go away: {left}")


def _stop() -> None:
    init = processes.init_pid()
    if not processes.kill([init] if init is not None else []):
        raise LabError(f"Process {init} of the lab does not end.")
    if not processes.kill(processes.started_by_lab()):
        raise LabError("Some processes that were started in the lab do not end.")
