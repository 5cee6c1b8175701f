"""The lab's parts and configuration, as text."""

import ipaddress
import re

import pytest

from lab import addresses, configuration, gotools, parts, preflight
from lab.gotools import Toolchain


@pytest.fixture(autouse=True)
def _toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gotools, "toolchain", lambda: Toolchain(parts.INIT, "go1.26.6"))
    monkeypatch.setenv("LAB_HOME", "/lab/home")


def test_no_address_of_the_lab_is_a_private_one() -> None:
    commands = [word for command in parts.commands().values() for word in command]
    found = {
        ipaddress.ip_address(address)
        for text in (*configuration.texts().values(), *commands)
        for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)
    }

    assert found
    for address in found:
        assert address in preflight.NETWORK or address.is_loopback or address.is_unspecified, (
            address
        )


def test_networks_of_the_lab_do_not_overlap() -> None:
    link = ipaddress.ip_network(f"{addresses.HOST}/{addresses.LINK_PREFIX}", strict=False)
    pods, services = map(ipaddress.ip_network, (addresses.PODS, addresses.SERVICES))

    assert ipaddress.ip_address(addresses.NODE) in link
    assert ipaddress.ip_address(addresses.DNS) in services
    assert ipaddress.ip_address(addresses.KUBERNETES_SERVICE) == services[1]
    assert not any(
        one.overlaps(other) for one, other in ((link, pods), (pods, services), (link, services))
    )


def test_every_part_has_a_command_and_waits_for_what_it_needs() -> None:
    assert tuple(parts.commands()) == parts.NAMES
    assert parts.waits_for("etcd") is None
    assert parts.waits_for("kube-apiserver") == "http://127.0.0.1:2379/health"
    assert parts.waits_for("kubelet") == "https://198.18.0.2:6443/readyz"


def test_the_specification_changes_with_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    before = parts.specification()
    assert before == parts.specification()

    monkeypatch.setattr(configuration, "CONTAINERD", "version = 2\n")
    assert before != parts.specification()
