"""A throw-away, real, single-node Kubernetes on one Linux machine."""
