"""What must be remembered: stashed values and the last outputs, in one Secret of the cluster."""

import base64
import json
from typing import Any

from lab.direct.cluster import Cluster
from lab.direct.objects import Object, digest

NAMESPACE = "default"
OUTPUTS = "outputs"


class Memory:
    """A Secret with one key a value, so that a killed run loses only what it had not written."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"pulumi-kaniko-direct-{cluster.stack}", "namespace": NAMESPACE},
        }

    def read(self, key: str) -> Any:
        """Return the value remembered under a key, or None."""
        return self._all().get(key)

    def write(self, key: str, value: Any) -> None:
        """Remember a value; None forgets the key."""
        if self._cluster.live(self._secret) is None:
            self._cluster.apply(self._secret)
        text = None if value is None else base64.b64encode(json.dumps(value).encode()).decode()
        self._cluster.patch(self._secret, {"data": {key: text}})

    def keep_only(self, keys: set[str]) -> None:
        """Forget every key but these and the outputs."""
        for key in self._all().keys() - keys - {OUTPUTS}:
            self.write(key, None)

    def forget(self) -> None:
        """Delete the Secret."""
        if secret := self._cluster.live(self._secret):
            self._cluster.delete([secret])

    def _all(self) -> dict[str, Any]:
        secret = self._cluster.live(self._secret) or {}
        data: dict[str, str] = secret.get("data") or {}
        return {key: json.loads(base64.b64decode(text)) for key, text in data.items()}


def stash_key(urn: str) -> str:
    """Return the key of a Stash; a URN holds characters that a Secret's key must not."""
    return f"stash-{digest(urn)[:16]}"
