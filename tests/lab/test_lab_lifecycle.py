"""The lab from its start to its end, whatever is killed in between.

There is one lab on a machine: these tests take it down and up, and leave it up. They run in the
order in which they stand.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import addresses, cluster, debian, node, node_images, paths, preflight, processes, upstream

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

SETTINGS = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom")
SYSTEM_FOLDERS = ("/", "/etc", "/opt", "/run", "/var/lib", "/var/log")

VOLUME_AND_POD = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "lifecycle"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Mi"}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "lifecycle"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "volumes": [
                    {"name": "data", "persistentVolumeClaim": {"claimName": "lifecycle"}},
                ],
                "containers": [
                    {
                        "name": "main",
                        "image": "busybox:stable",
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        "command": [
                            *("sh", "-c"),
                            "nslookup kubernetes.default.svc.cluster.local > /data/answer"
                            " && cat /data/answer && exec sleep 3600",
                        ],
                    }
                ],
            },
        },
    ],
}


def lab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lab`."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def machine() -> dict[str, set[str]]:
    """Describe what of the machine the lab could leave its traces in."""
    packages = debian.node_folder()
    rules = [
        subprocess.run(
            debian.with_packages(packages, ["xtables-nft-multi", f"{name}-save"]),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for name in ("iptables", "ip6tables")
    ]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "namespaces": namespaces(),
        "mounts": {line.split()[4] for line in mounts},
        "interfaces": {path.name for path in Path("/sys/class/net").iterdir()},
        "routes": set(Path("/proc/net/route").read_text().splitlines()),
        "rules": {line for lines in rules for line in lines if not line.startswith("#")},
        "cgroups": {folder for folder, _, _ in os.walk("/sys/fs/cgroup")},
        "settings": {f"{name} {Path('/proc/sys', name).read_text()}" for name in SETTINGS},
        "forwarding": {Path("/proc/sys/net/ipv4/ip_forward").read_text()},
        "files": {str(path) for name in SYSTEM_FOLDERS for path in Path(name).iterdir()},
        "runs": {str(path) for path in paths.home().glob("run*")},
    }


def namespaces() -> set[str]:
    """Give every namespace that a process is in, or starts its children in."""
    found = set()
    for kind in ("net", "mnt", "pid", "pid_for_children"):
        for link in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue
    return found


def left_behind(before: dict[str, set[str]]) -> dict[str, set[str]]:
    """Compare with an earlier description; what other programs do for a moment does not count."""
    deadline = time.monotonic() + 10
    while True:
        now = machine()
        left = {name: now[name] - before[name] for name in before if now[name] - before[name]}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def without_lab() -> Iterator[dict[str, set[str]]]:
    """The machine without a lab; afterwards the lab runs again."""
    cluster.down()
    yield machine()
    cluster.up()


def test_a_second_up_is_ready_within_thirty_seconds(without_lab: dict[str, set[str]]) -> None:
    started = time.monotonic()
    answer = lab("up")
    seconds = time.monotonic() - started

    assert answer.returncode == 0, answer.stderr
    assert cluster.is_ready()
    assert seconds < 30
    now = machine()
    seen = {name for name in now if now[name] - without_lab[name]}
    assert {"namespaces", "interfaces", "routes", "cgroups", "runs"} <= seen


def test_up_on_a_running_lab_returns_within_two_seconds() -> None:
    started = time.monotonic()
    answer = lab("up")

    assert time.monotonic() - started < 2
    assert answer.stderr == "The lab is running: Kubernetes 1.34.4, node Ready.\n"


def test_status_has_a_line_for_each_part_and_the_node() -> None:
    answer = lab("status")

    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert len(lines) == 11
    assert all("running" in line for line in lines[:-1])
    assert lines[-1].split() == ["node", "lab", "Ready"]


def test_exec_runs_in_the_lab_with_its_kubectl_and_ends_as_the_command_does() -> None:
    answer = lab("exec", "--", "kubectl", "get", "nodes", "-o", "name", HTTPS_PROXY="http://none:1")

    assert answer.stdout == "node/lab\n"
    assert lab("exec", "--", "sh", "-c", "exit 7").returncode == 7


def test_kubeconfig_prints_the_path_of_a_file_that_works() -> None:
    path = lab("kubeconfig").stdout.strip()

    command = cluster.exec_argv(["kubectl", f"--kubeconfig={path}", "auth", "can-i", "*", "*"])
    assert subprocess.run(command, capture_output=True, text=True).stdout == "yes\n"
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_logs_prints_the_log_of_a_part_or_the_names_there_are() -> None:
    assert "Version: v1.34.4" in lab("logs", "kube-apiserver").stdout
    assert "== coredns" in lab("logs").stdout
    unknown = lab("logs", "nothing")
    assert unknown.returncode == 1
    assert "Parts: init, etcd" in unknown.stderr


def test_a_pod_has_a_volume_and_a_name_server() -> None:
    applied = subprocess.run(
        cluster.exec_argv(["kubectl", "apply", "-f", "-"]),
        input=json.dumps(VOLUME_AND_POD),
        capture_output=True,
        text=True,
    )
    assert applied.returncode == 0, applied.stderr
    ready = cluster.kubectl("wait", "pod/lifecycle", "--for=condition=Ready", "--timeout=60s")
    assert ready.returncode == 0, ready.stderr
    wait_until(lambda: addresses.KUBERNETES_SERVICE in cluster.kubectl("logs", "lifecycle").stdout)


def read_upstream(path: str) -> bytes:
    script = (
        "import sys, urllib.request;"
        "accepted = {'Accept': 'application/vnd.oci.image.manifest.v1+json'};"
        "request = urllib.request.Request(sys.argv[1], headers=accepted);"
        "sys.stdout.buffer.write(urllib.request.urlopen(request).read())"
    )
    url = f"http://{addresses.UPSTREAM}/v2/{path}"
    command = cluster.exec_argv([sys.executable, "-c", script, url])
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize(
    ("repository", "tag", "file"),
    [
        (upstream.BUSYBOX, "stable", "bin/busybox"),
        (upstream.DEBIAN, upstream.DEBIAN_TAG, "etc/debian_version"),
    ],
)
def test_the_upstream_registry_serves_real_base_images(
    repository: str, tag: str, file: str, tmp_path: Path
) -> None:
    if repository == upstream.DEBIAN:
        upstream.ensure_debian()

    manifest = json.loads(read_upstream(f"{repository}/manifests/{tag}"))

    (layer,) = manifest["layers"]
    content = read_upstream(f"{repository}/blobs/{layer['digest']}")
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == layer["digest"]
    (tmp_path / "layer.tar.gz").write_bytes(content)
    listed = subprocess.run(
        ["tar", "--list", "-f", tmp_path / "layer.tar.gz"], capture_output=True, text=True
    )
    assert file in {name.removeprefix("./") for name in listed.stdout.splitlines()}


def test_another_executor_takes_the_place_of_kaniko(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = (node_images.KANIKO, node_images.KANIKO_FORK)
    before = node.images()
    executor = tmp_path / "executor"
    shutil.copy(node_images.busybox_program(), executor)

    monkeypatch.setenv("LAB_EXECUTOR", str(executor))
    cluster.up()
    during = node.images()
    monkeypatch.delenv("LAB_EXECUTOR")
    cluster.up()

    assert len({before[name] for name in names}) == 1
    assert all(during[name] != before[name] for name in names)
    assert all(node.images()[name] == before[name] for name in names)


@pytest.mark.parametrize("part", ["kubelet", "containerd", "etcd"])
def test_a_killed_part_comes_back(part: str) -> None:
    starts = cluster.part_starts(part)
    pid = processes.part_pid(cluster.part_pids()[part])
    assert pid is not None

    os.kill(pid, signal.SIGKILL)

    wait_until(lambda: cluster.part_starts(part) == starts + 1)
    wait_until(cluster.is_ready)
    assert lab("up").returncode == 0


def test_a_lab_whose_first_process_was_killed_comes_back_with_its_data() -> None:
    init = processes.init_pid()
    assert init is not None
    os.kill(init, signal.SIGKILL)
    wait_until(lambda: not cluster.is_running())
    assert lab("status").returncode == 1

    assert lab("up").returncode == 0

    ready = cluster.kubectl("wait", "pod/lifecycle", "--for=condition=Ready", "--timeout=60s")
    assert ready.returncode == 0, ready.stderr


def test_down_leaves_nothing(without_lab: dict[str, set[str]]) -> None:
    sleeper = subprocess.Popen(cluster.exec_argv(["sleep", "600"]))

    answer = lab("down")

    assert answer.returncode == 0, answer.stderr
    assert sleeper.wait(5) == -signal.SIGKILL
    assert left_behind(without_lab) == {}


def test_down_without_a_lab_says_so() -> None:
    answer = lab("down")

    assert answer.returncode == 0
    assert answer.stderr == "There is no lab.\n"
    assert "The lab is not running" in lab("exec", "--", "true").stderr


@pytest.mark.parametrize("moment", ["files", "process 1", "API server"])
def test_an_up_that_was_killed_half_way_is_taken_up_again(moment: str) -> None:
    reached = {
        "files": paths.run().exists,
        "process 1": cluster.is_running,
        "API server": lambda: cluster.part_pids()["kube-apiserver"],
    }[moment]
    killed = subprocess.Popen([sys.executable, "-m", "lab", "up"], stderr=subprocess.DEVNULL)
    wait_until(reached)
    killed.kill()
    killed.wait()
    assert killed.returncode == -signal.SIGKILL

    answer = lab("up")

    assert answer.returncode == 0, answer.stderr
    assert cluster.is_ready()
    assert lab("down").returncode == 0


def test_down_works_on_a_lab_that_is_half_dead(without_lab: dict[str, set[str]]) -> None:
    cluster.up()
    init = processes.init_pid()
    assert init is not None
    os.kill(init, signal.SIGKILL)

    answer = lab("down")

    assert answer.returncode == 0, answer.stderr
    assert left_behind(without_lab) == {}


def in_private_namespaces(setup: str) -> str:
    """Look at the machine after a change that nobody else sees."""
    python = f"{sys.executable} -c 'from lab import preflight; print(*preflight.problems())'"
    command = ["unshare", "--net", "--mount", "sh", "-ec", f"{setup}\n{python}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_machine_without_cgroups_is_refused() -> None:
    problem = in_private_namespaces("mount -t tmpfs tmpfs /sys/fs/cgroup")

    assert "No cgroup controller cpu, memory, pids" in problem


def test_a_machine_that_uses_the_addresses_is_refused() -> None:
    problem = in_private_namespaces(
        f"mount -t overlay overlay -o lowerdir={debian.node_folder()}/usr:/usr /usr\n"
        "ip link add vpn0 type veth peer name vpn1\n"
        "ip address add 198.18.5.1/24 dev vpn0\n"
        "ip link set vpn1 up\nip link set vpn0 up"
    )

    assert "198.18.0.0/15, a range for tests, are in use by vpn0" in problem


def test_a_user_without_root_is_refused() -> None:
    os.seteuid(65534)
    try:
        problems = preflight.problems()
    finally:
        os.seteuid(0)

    assert any("run it as root or with sudo" in problem for problem in problems)


def test_what_is_refused_has_started_nothing(without_lab: dict[str, set[str]]) -> None:
    answer = lab("up", PATH="/nonexistent")

    assert answer.returncode == 1
    assert answer.stderr.startswith("lab: The lab can't run on this machine yet:\n- ")
    assert "Traceback" not in answer.stderr
    assert left_behind(without_lab) == {}
