"""The configuration files of the node and of the parts."""

import base64
import json
from pathlib import Path

from lab import addresses, certificates, files, node_images, paths

CONTAINERD = f"""version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{node_images.PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
"""

POD_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "lab",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-addresses",
                "ranges": [[{"subnet": addresses.PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

COREDNS = f"""{addresses.DOMAIN} in-addr.arpa ip6.arpa {{
    bind {addresses.DNS}
    errors
    kubernetes {addresses.DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {{kubeconfig}}
        pods insecure
        ttl 5
    }}
}}
. {{
    bind {addresses.DNS}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""

UPSTREAM = f"""version: 0.1
log:
  level: warn
  accesslog:
    disabled: false
storage:
  filesystem:
    rootdirectory: {{storage}}
  maintenance:
    readonly:
      enabled: true
http:
  addr: {addresses.UPSTREAM}
"""

VOLUMES = {
    "nodePathMap": [
        {"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["/var/lib/local-path-provisioner"]}
    ]
}

HELPER_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "helper-pod"},
    "spec": {
        "priorityClassName": "system-node-critical",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "helper-pod",
                "image": node_images.BUSYBOX,
                "imagePullPolicy": "IfNotPresent",
            }
        ],
    },
}

MANIFESTS = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "local-path-storage"},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "local-path-config", "namespace": "local-path-storage"},
            "data": {
                "config.json": json.dumps(VOLUMES),
                "helperPod.yaml": json.dumps(HELPER_POD),
                "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
                "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
            },
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": "local-path",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "lab:kube-proxy"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:node-proxier",
            },
            "subjects": [
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "system:kube-proxy",
                }
            ],
        },
    ],
}


def kubelet(folder: Path) -> dict[str, object]:
    """Write the kubelet's configuration.

    Args:
        folder: Where the certificates are.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(folder / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{addresses.CGROUP}",
        "clusterDNS": [addresses.DNS],
        "clusterDomain": addresses.DOMAIN,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "evictionHard": {
            "imagefs.available": "1%",
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "eventRecordQPS": 0,
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "kubeAPIBurst": 200,
        "kubeAPIQPS": 100,
        "maxPods": 250,
        "registryPullQPS": 0,
        "resolvConf": "/etc/resolv.conf",
        "serializeImagePulls": False,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def kube_proxy() -> dict[str, object]:
    """Write kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(paths.kubeconfig("kube-proxy"))},
        "clusterCIDR": addresses.PODS,
        "conntrack": {
            "maxPerCore": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
        },
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": addresses.NODE_NAME,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
    }


def kubeconfig(folder: Path, user: str) -> dict[str, object]:
    """Write a kubeconfig that holds its certificates.

    Args:
        folder: Where the certificates are.
        user: One of `certificates.USERS`.
    """

    def encoded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "clusters": [
            {
                "name": "lab",
                "cluster": {
                    "server": addresses.API_SERVER,
                    "certificate-authority-data": encoded("ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": encoded(f"{user}.crt"),
                    "client-key-data": encoded(f"{user}.key"),
                },
            }
        ],
    }


def texts() -> dict[str, str]:
    """Give the files the parts read, by name; they are in the folder `config` of the run."""
    pki = paths.run() / "pki"
    objects = {
        "helper-pod.yaml": HELPER_POD,
        "kube-proxy.json": kube_proxy(),
        "kubelet.json": kubelet(pki),
        "manifests.json": MANIFESTS,
        "pod-network.conflist": POD_NETWORK,
        "volumes.json": VOLUMES,
    }
    return {
        "Corefile": COREDNS.replace("{kubeconfig}", str(paths.kubeconfig())),
        "containerd.toml": CONTAINERD,
        "upstream.yaml": UPSTREAM.replace("{storage}", str(paths.upstream())),
        **{name: json.dumps(content, indent=1) for name, content in objects.items()},
    }


def write_all() -> None:
    """Write every file the parts read; certificates only where none are yet."""
    pki = paths.run() / "pki"
    if not pki.exists():
        with files.whole_folder(pki) as unfinished:
            certificates.write_all(unfinished)
    for user in certificates.USERS:
        files.write_json(paths.kubeconfig(user), kubeconfig(pki, user), 0o600)
    for name, text in texts().items():
        files.write(paths.run() / "config" / name, text)
