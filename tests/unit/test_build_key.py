"""The build key: the same parts never rebuild an image, and any other part does."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.build_key import build_key, fingerprint
from components.executor import Build
from components.image import _parts

PARTS: dict[str, Any] = {
    "context": "0" * 64,
    "dockerfile": "Dockerfile",
    "build-args": {"BASE": "registry.example.com/hello@sha256:" + "1" * 64, "MODE": "fast"},
    "registry-maps": {"index.docker.io": "mirror.example.com"},
    "destinations": ["registry.example.com/app:latest", "registry.example.com/app:v1"],
    "executor": "ghcr.io/osscontainertools/kaniko:v1.28.3",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("parts", "golden"),
    [
        ({}, "v1-44136fa355b3678a1146ad16f7e8649e"),
        (PARTS, "v1-161473744f254ce1cff1497b7207a3be"),
        ({"context": ["/workspace/my-build", None]}, "v1-9581eefd1c51207c22eb6973765a7dd9"),
        ({"build-args": {"TEXT": 'ä "quoted" \\ \n'}}, "v1-dd812db566cf3609fc4787e42ed1c116"),
    ],
)
def test_a_release_must_not_change_the_key_of_the_same_parts(
    parts: dict[str, Any], golden: str
) -> None:
    # If this fails, every image of every user would be built again: raise FORMAT and say so in the
    # release notes, or undo what changed the keys. Never just write another key here.
    assert build_key(parts) == golden


def test_a_release_must_not_change_which_parts_make_the_key() -> None:
    # As above: another name, another part or another shape of one rebuilds everything.
    build = Build(
        context="dir:///workspace/app",
        dockerfile="Dockerfile",
        destinations=["registry.example.com/app:latest"],
        build_args={"A": "1"},
        insecure_registries=["registry.example.com"],
        registry_maps={"index.docker.io": "mirror.example.com"},
    )
    assert (
        build_key(_parts(build, "0" * 64, ["Dockerfile", "1" * 32], "kaniko:v1"))
        == "v1-71bb6b2eed0fb2aaa617240f8220836b"
    )


def test_the_order_of_map_keys_rebuilds_nothing() -> None:
    turned = {
        key: dict(reversed(part.items())) if isinstance(part, dict) else part
        for key, part in reversed(PARTS.items())
    }
    assert build_key(turned) == build_key(PARTS)


def test_the_order_of_a_list_rebuilds() -> None:
    turned = {**PARTS, "destinations": list(reversed(PARTS["destinations"]))}
    assert build_key(turned) != build_key(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_rebuilds(part: str) -> None:
    assert build_key({**PARTS, part: "another"}) != build_key(PARTS)
    assert build_key({key: PARTS[key] for key in PARTS if key != part}) != build_key(PARTS)


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_a_key_is_a_valid_tag_and_label_value(value: object) -> None:
    key = build_key({"any": value})
    assert key.startswith("v1-")
    assert len(key) == 35
    assert set(key[3:]) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, "1"), ([], {}), (None, ""), (["a"], "a")]
)
def test_values_of_different_types_are_different(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)
