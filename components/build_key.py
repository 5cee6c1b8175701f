"""The build key: the one value that decides whether an image is built again."""

import hashlib
import json
from collections.abc import Mapping

FORMAT = 1
"""Version of the key's format. Another number rebuilds every image of every user."""

Parts = Mapping[str, object]
"""What can change an image, by the name a preview shows: JSON values."""


def build_key(parts: Parts) -> str:
    """Make the key of a build.

    Args:
        parts: everything that can change the image, and nothing else.

    Returns:
        A tag-safe text: the format's version and a digest of the parts.
    """
    return f"v{FORMAT}-{fingerprint(parts)}"


def fingerprint(value: object) -> str:
    """Shorten a JSON value to 32 hexadecimal digits.

    Args:
        value: the order of a map's keys doesn't matter, that of a list does.
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
