"""Addresses and names of the lab.

All of them are from 198.18.0.0/15, the range set aside for test networks: the lab uses no
private address, so a packet for one is always a mistake.
"""

HOST = "198.18.0.1"
NODE = "198.18.0.2"
LINK_PREFIX = 30
PODS = "198.18.64.0/20"
SERVICES = "198.19.0.0/20"
SERVICES_PREFIX = 20
DNS = "198.19.0.10"
KUBERNETES_SERVICE = "198.19.0.1"

NODE_NAME = "lab"
DOMAIN = "cluster.local"
HOST_LINK = "kaniko-lab"
NODE_LINK = "eth0"
SERVICE_LINK = "services"
API_SERVER = f"https://{NODE}:6443"
UPSTREAM = f"{NODE}:5000"
CGROUP = "kaniko-lab"
