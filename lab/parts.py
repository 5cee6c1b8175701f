"""The parts of the lab: the command line of each, and what it waits for."""

import hashlib
from pathlib import Path

from lab import addresses, configuration, debian, gotools, paths

INIT = Path(__file__).with_name("init.py")

ETCD = "http://127.0.0.1:2379"
API_SERVER_READY = f"{addresses.API_SERVER}/readyz"
SERVICE_ACCOUNT_ISSUER = f"https://kubernetes.default.svc.{addresses.DOMAIN}"

SPECIFIED_ADDRESSES = (
    *("NODE", "NODE_LINK", "LINK_PREFIX"),
    *("DNS", "SERVICE_LINK", "SERVICES_PREFIX"),
)
NAMES = (
    "etcd",
    "containerd",
    "upstream",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "local-path-provisioner",
)


def commands() -> dict[str, list[str]]:
    """Give the command line of each part, in the order in which they start."""
    run = paths.run()
    pki, config = run / "pki", run / "config"

    def kubernetes(name: str) -> str:
        return str(gotools.program(gotools.KUBERNETES, name))

    all_commands = {
        "etcd": [
            *("/usr/bin/etcd", "--name=lab", f"--data-dir={run}/etcd"),
            *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}"),
            *("--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn", "--logger=zap"),
        ],
        "containerd": [
            *("/usr/bin/containerd", f"--config={config}/containerd.toml", "--log-level=warn"),
        ],
        "upstream": [
            str(gotools.program(gotools.DISTRIBUTION, "registry")),
            *("serve", f"{config}/upstream.yaml"),
        ],
        "kube-apiserver": [
            kubernetes("kube-apiserver"),
            f"--advertise-address={addresses.NODE}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={pki}/ca.crt",
            "--enable-admission-plugins=NodeRestriction",
            f"--etcd-servers={ETCD}",
            f"--kubelet-client-certificate={pki}/admin.crt",
            f"--kubelet-client-key={pki}/admin.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
            f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
            f"--service-account-key-file={pki}/service-accounts.key",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            f"--service-cluster-ip-range={addresses.SERVICES}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
        ],
        "kube-controller-manager": [
            kubernetes("kube-controller-manager"),
            *_own_kubeconfig("kube-controller-manager"),
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--leader-elect=false",
            "--profiling=false",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            "--use-service-account-credentials=true",
        ],
        "kube-scheduler": [
            kubernetes("kube-scheduler"),
            *_own_kubeconfig("kube-scheduler"),
            "--leader-elect=false",
            "--profiling=false",
        ],
        "kubelet": [
            kubernetes("kubelet"),
            f"--config={config}/kubelet.json",
            f"--hostname-override={addresses.NODE_NAME}",
            f"--kubeconfig={paths.kubeconfig('kubelet')}",
            f"--node-ip={addresses.NODE}",
        ],
        "kube-proxy": [kubernetes("kube-proxy"), f"--config={config}/kube-proxy.json"],
        "coredns": [
            str(gotools.program(gotools.COREDNS, "coredns")),
            *("-quiet", "-conf", f"{config}/Corefile"),
        ],
        "local-path-provisioner": [
            str(gotools.program(gotools.LOCAL_PATH_PROVISIONER, "local-path-provisioner")),
            "start",
            *("--config", f"{config}/volumes.json"),
            *("--helper-pod-file", f"{config}/helper-pod.yaml"),
            *("--kubeconfig", str(paths.kubeconfig())),
            *("--namespace", "local-path-storage"),
            *("--configmap-name", "local-path-config", "--service-account-name", "default"),
        ],
    }
    return {name: all_commands[name] for name in NAMES}


def _own_kubeconfig(part: str) -> list[str]:
    file = paths.kubeconfig(part)
    return [
        f"--kubeconfig={file}",
        f"--authentication-kubeconfig={file}",
        f"--authorization-kubeconfig={file}",
        "--bind-address=127.0.0.1",
    ]


def waits_for(part: str) -> str | None:
    """Give the address that must answer before a part starts.

    Args:
        part: Its name.
    """
    if part in ("etcd", "containerd", "upstream"):
        return None
    return f"{ETCD}/health" if part == "kube-apiserver" else API_SERVER_READY


def specification() -> dict[str, object]:
    """Give all that makes the running lab what it is: when this changes, it is started anew."""
    return {
        "home": str(paths.home()),
        "run": str(paths.run()),
        "packages": str(debian.node_folder() / "usr"),
        "addresses": {name: getattr(addresses, name) for name in SPECIFIED_ADDRESSES},
        "parts": [
            {"name": name, "command": command, "waits_for": waits_for(name)}
            for name, command in commands().items()
        ],
        "configuration": configuration.texts(),
        "init": hashlib.sha256(INIT.read_bytes()).hexdigest(),
    }
