"""Nothing of the lab leaves the machine: packets are counted while it tries."""

import ctypes
import ipaddress
import os
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from lab import addresses, cluster, debian, node_images

pytestmark = pytest.mark.lab

PRIVATE = [ipaddress.ip_network(name) for name in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
TARGETS = ("10.1.2.3", "172.16.1.2", "192.168.1.2")
QUESTION = f"probe-{uuid.uuid4().hex}"
PROBE = f"""
for address in {" ".join(TARGETS)}; do
    timeout 2 wget -q -O /dev/null http://$address/ &
    timeout 2 nslookup lab.test $address &
    timeout 2 ping -c 1 $address &
done
timeout 2 nslookup {QUESTION}.test &
wait
exit 0
"""
IPV4, ARP, EVERY_PROTOCOL = 0x0800, 0x0806, 0x0003
NEW_NETWORK = 0x40000000


def destination(packet: bytes) -> ipaddress.IPv4Address | None:
    """Give the address an Ethernet frame is for, or asks for."""
    kind = int.from_bytes(packet[12:14])
    offset = {IPV4: 30, ARP: 38}.get(kind)
    if offset is None or len(packet) < offset + 4:
        return None
    return ipaddress.IPv4Address(packet[offset : offset + 4])


class Sniffer:
    """Reads every packet on every interface of a network namespace."""

    def __init__(self, namespace: str = "/proc/self/ns/net") -> None:
        self.packets: list[tuple[str, bytes]] = []
        self._namespace = namespace
        self._listening, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        namespace = os.open(self._namespace, os.O_RDONLY)
        assert ctypes.CDLL(None).setns(namespace, NEW_NETWORK) == 0
        os.close(namespace)
        with socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)
        ) as listener:
            listener.settimeout(0.1)
            self._listening.set()
            while not self._ended.is_set():
                try:
                    packet, (interface, *_) = listener.recvfrom(65535)
                except TimeoutError:
                    continue
                self.packets.append((interface, packet))

    def probes(self) -> Counter[str]:
        """Count, by interface, what the probe sends: packets to its targets, and its question."""
        return Counter(
            interface
            for interface, packet in self.packets
            if str(destination(packet)) in TARGETS or QUESTION.encode() in packet
        )

    def private(self, interface: str) -> int:
        """Count packets to any private address on one interface."""
        found = (destination(packet) for name, packet in self.packets if name == interface)
        return sum(1 for address in found if address and any(address in net for net in PRIVATE))


def probe_command() -> list[str]:
    return [str(node_images.busybox_program()), "sh", "-c", PROBE]


def run_in_a_pod() -> None:
    name = f"probe-{uuid.uuid4().hex[:8]}"
    image = node_images.BUSYBOX
    command = ["run", name, f"--image={image}", "--restart=Never", "--command", "--"]
    assert cluster.kubectl(*command, "sh", "-c", PROBE).returncode == 0
    phase = "--for=jsonpath={.status.phase}=Succeeded"
    ended = cluster.kubectl("wait", f"pod/{name}", phase, "--timeout=60s")
    cluster.kubectl("delete", "pod", name, "--wait=false")
    assert ended.returncode == 0, ended.stderr


@contextmanager
def namespace_with_a_way_out() -> Iterator[tuple[str, str]]:
    """Make two network namespaces, the first with a default route through the second.

    Neither is linked with the machine.
    """
    sleepers = [subprocess.Popen(["unshare", "--net", "sleep", "60"]) for _ in range(2)]
    here = Path("/proc/self/ns/net").readlink()
    source, router = (f"/proc/{sleeper.pid}/ns/net" for sleeper in sleepers)
    try:
        while any(Path(name).readlink() == here for name in (source, router)):
            time.sleep(0.01)
        peer = f"peer name out netns {sleepers[0].pid}"
        ip(router, f"link add name in type veth {peer}")
        ip(router, "address add 198.18.0.1/30 dev in")
        ip(router, "link set in up")
        ip(source, "address add 198.18.0.2/30 dev out")
        ip(source, "link set out up")
        ip(source, "route add default via 198.18.0.1")
        yield source, router
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def ip(namespace: str, words: str) -> None:
    command = debian.with_packages(debian.node_folder(), ["ip", *words.split()])
    subprocess.run(["nsenter", f"--net={namespace}", "--", *command], check=True)


@pytest.fixture(scope="module", autouse=True)
def _lab() -> None:
    cluster.up()


def test_no_packet_for_a_private_address_leaves_the_lab(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Sniffer() as sniffer:
        subprocess.run(cluster.exec_argv(probe_command()), capture_output=True, check=True)
        run_in_a_pod()

    private, probes = sniffer.private(addresses.HOST_LINK), sniffer.probes()
    with capsys.disabled():
        interfaces = sorted(path.name for path in Path("/sys/class/net").iterdir())
        print(
            f"\n{len(sniffer.packets)} packets seen on {', '.join(interfaces)}; for private "
            f"addresses on {addresses.HOST_LINK}: {private}; of the probe elsewhere: "
            f"{sum(probes.values())}"
        )
    assert private == 0
    assert not probes


def test_the_same_probe_is_counted_where_there_is_a_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with namespace_with_a_way_out() as (source, router), Sniffer(router) as sniffer:
        subprocess.run(
            ["nsenter", f"--net={source}", "--", *probe_command()], capture_output=True, check=True
        )

    with capsys.disabled():
        print(f"\nwith a way out, for private addresses: {sniffer.private('in')}")
    reached = {str(destination(packet)) for _, packet in sniffer.packets}
    assert set(TARGETS) <= reached
    assert sniffer.private("in") >= len(TARGETS)


def test_a_process_of_the_machine_that_dials_a_pod_sends_it_into_the_lab_only() -> None:
    pod = str(ipaddress.ip_network(addresses.PODS)[-2])
    with Sniffer() as sniffer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dialler:
        dialler.sendto(b"anyone there?", (pod, 9))

    seen = {name for name, packet in sniffer.packets if str(destination(packet)) == pod}
    assert seen == {addresses.HOST_LINK}


def test_the_lab_can_not_open_a_connection_to_the_machine() -> None:
    with socket.create_server((addresses.HOST, 0)) as server:
        port = server.getsockname()[1]
        url = f"http://{addresses.HOST}:{port}/"
        command = [str(node_images.busybox_program()), "wget", "-O-", url]
        answer = subprocess.run(cluster.exec_argv(command), capture_output=True, text=True)
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()

    assert answer.returncode != 0
    assert "refused" in answer.stderr


def test_the_lab_has_no_default_route() -> None:
    ip_command = debian.with_packages(debian.node_folder(), ["ip", "route", "show", "default"])
    answer = subprocess.run(
        cluster.exec_argv(ip_command), capture_output=True, text=True, check=True
    )
    assert answer.stdout == ""
