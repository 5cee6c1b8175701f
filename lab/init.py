"""Process 1 of the lab: it sets up the node, starts the parts and restarts those that end.

It runs in network, mount and process namespaces of its own, so that its end is the end of every
process, mount and interface of the lab. It imports nothing but the standard library.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "HOME": "/root",
    "OTEL_TRACES_EXPORTER": "none",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.5, 10.0, 30.0
TICK_SECONDS = 0.1

# The kubelet wants these settings of the whole machine. It finds them in files laid over the real
# ones, and so leaves the machine's own as they are.
KERNEL_SETTINGS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}


def command(*words: str | Path, keep: tuple[int, ...] = ()) -> None:
    """Run a command to its end.

    Args:
        words: The command line.
        keep: File descriptors it inherits.
    """
    subprocess.run(words, check=True, pass_fds=keep, stdin=subprocess.DEVNULL)


def mount_node(home: Path, run: Path, packages: Path) -> None:
    """Give the node its own view of the machine's files.

    The Debian packages lie over /usr; /etc, /var and /run can be written without the machine
    seeing it; what is large is kept in the folder of the run.

    Args:
        home: `LAB_HOME`.
        run: The folder of the run.
        packages: The `usr` folder of the unpacked Debian packages.
    """
    home_itself = os.open(home, os.O_PATH)
    command("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={packages}:/usr", "/usr")
    command("mount", "-t", "tmpfs", "tmpfs", "/run")
    for name in ("etc", "var"):
        upper, work = Path("/run/node", name, "upper"), Path("/run/node", name, "work")
        upper.mkdir(parents=True)
        work.mkdir()
        layers = f"lowerdir=/{name},upperdir={upper},workdir={work}"
        command("mount", "-t", "overlay", "overlay", "-o", layers, f"/{name}")
    source = f"/proc/self/fd/{home_itself}"
    command("mount", "--no-canonicalize", "--bind", source, home, keep=(home_itself,))
    os.close(home_itself)
    for inside, outside in {
        "/var/lib/containerd": "containerd",
        "/var/lib/kubelet": "kubelet",
        "/var/lib/local-path-provisioner": "volumes",
        "/var/log": "log",
        "/etc/containerd/certs.d": "certs.d",
    }.items():
        Path(inside).mkdir(parents=True, exist_ok=True)
        (run / outside).mkdir(parents=True, exist_ok=True)
        command("mount", "--bind", run / outside, inside)
    command("mount", "--make-rshared", "/")


def write_node_files(run: Path, dns: str) -> None:
    """Write what the node has in /etc, and hide the kernel settings that are the machine's.

    Args:
        run: The folder of the run.
        dns: Address of the cluster's name server.
    """
    resolver = Path("/etc/resolv.conf")
    resolver.unlink(missing_ok=True)
    resolver.write_text(f"nameserver {dns}\n")
    network = Path("/etc/cni/net.d")
    network.mkdir(parents=True, exist_ok=True)
    for other in network.iterdir():
        other.unlink()
    (network / "lab.conflist").write_bytes((run / "config/pod-network.conflist").read_bytes())
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            link = Path("/run/node/bin", name + suffix)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/usr/sbin/xtables-nft-multi")
    for name, value in KERNEL_SETTINGS.items():
        setting, shown = Path("/proc/sys", name), Path("/run/node/sys", name)
        if setting.exists():
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.write_text(f"{value}\n")
            command("mount", "--bind", shown, setting)


def configure_network(addresses: dict[str, str]) -> None:
    """Wait for the link to the machine and set up the node's network: it has no way out.

    Args:
        addresses: Names and addresses, see `lab/addresses.py`.
    """
    link, services = addresses["NODE_LINK"], addresses["SERVICE_LINK"]
    while f"{link}:" not in Path("/proc/net/dev").read_text():
        time.sleep(0.02)
    node = f"{addresses['NODE']}/{addresses['LINK_PREFIX']}"
    dns = f"{addresses['DNS']}/{addresses['SERVICES_PREFIX']}"
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    command("ip", "link", "set", "lo", "up")
    command("ip", "link", "set", link, "addrgenmode", "none")
    command("ip", "address", "add", node, "dev", link)
    command("ip", "link", "set", link, "up")
    command("ip", "link", "add", services, "type", "bridge")
    command("ip", "link", "set", services, "addrgenmode", "none")
    command("ip", "address", "add", dns, "dev", services)
    command("ip", "link", "set", services, "up")
    new = ("-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT")
    for chain in ("OUTPUT", "FORWARD"):
        command("/run/node/bin/iptables", "--wait", "-A", chain, "-o", link, *new)


@dataclass
class Part:
    """A part and how it goes.

    Attributes:
        name: Its name.
        command: Its command line.
        waits_for: An address that must answer before it starts.
        pid: Its process, 0 when there is none.
        starts: How often it was started.
        started: When it was last started, in seconds of the monotonic clock.
        pause: Seconds to wait before the next start.
        due: When it may start again.
    """

    name: str
    command: list[str]
    waits_for: str | None
    pid: int = 0
    starts: int = 0
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0

    def start(self, logs: Path) -> None:
        """Start it, with its output at the end of its log file."""
        log = str(logs / f"{self.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        path = f"/run/node/bin:{Path(self.command[0]).parent}:{ENVIRONMENT['PATH']}"
        self.pid = os.posix_spawn(
            self.command[0],
            self.command,
            {**ENVIRONMENT, "PATH": path},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
        self.starts += 1
        self.started = time.monotonic()

    def ended(self) -> None:
        """Take note that its process ended: the next start waits longer if this one was short."""
        steady = time.monotonic() - self.started > STEADY_SECONDS
        self.due = time.monotonic() + (FIRST_PAUSE if steady else self.pause)
        self.pause = FIRST_PAUSE if steady else min(self.pause * 2, LONGEST_PAUSE)
        self.pid = 0


def answers(url: str) -> bool:
    """Say whether an address answers with success."""
    context = ssl._create_unverified_context() if url.startswith("https") else None
    try:
        with urllib.request.urlopen(url, timeout=1, context=context):
            return True
    except (OSError, urllib.error.URLError):
        return False


def reap(parts: list[Part]) -> bool:
    """Collect ended processes, those of parts and those that lost their parent.

    Returns:
        Whether a part was among them.
    """
    changed = False
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return changed
        if pid == 0:
            return changed
        for part in parts:
            if part.pid == pid:
                part.ended()
                changed = True


def supervise(run: Path, parts: list[Part]) -> None:
    """Keep the parts running, and keep their state in `parts.json`; never returns."""
    logs = run / "log/parts"
    logs.mkdir(parents=True, exist_ok=True)
    answered: set[str] = set()
    while True:
        changed = reap(parts)
        checked: dict[str, bool] = {}
        for part in parts:
            if part.pid or time.monotonic() < part.due:
                continue
            url = part.waits_for
            if url and url not in answered:
                if url not in checked:
                    checked[url] = answers(url)
                if not checked[url]:
                    continue
                answered.add(url)
            try:
                part.start(logs)
            except OSError as error:
                print(f"{part.name} can't be started: {error}", file=sys.stderr, flush=True)
                part.ended()
            changed = True
        if changed:
            state = {part.name: {"pid": part.pid, "starts": part.starts} for part in parts}
            unfinished = run / ".parts.json"
            unfinished.write_text(json.dumps(state))
            unfinished.replace(run / "parts.json")
        signal.sigtimedwait({signal.SIGCHLD}, TICK_SECONDS)


def main(run: Path) -> None:
    """Run the lab that is described in the folder of the run."""
    specification: dict[str, Any] = json.loads((run / "lab.json").read_text())
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    mount_node(Path(specification["home"]), run, Path(specification["packages"]))
    write_node_files(run, specification["addresses"]["DNS"])
    configure_network(specification["addresses"])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    supervise(run, [Part(**part) for part in specification["parts"]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
