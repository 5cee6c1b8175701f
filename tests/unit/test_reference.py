"""Where images are pushed: what users may write as a destination."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.reference import DOCKER_HUB, Reference, host_problem, parse, tag_problem


@pytest.mark.parametrize(
    ("text", "host", "path", "tag"),
    [
        ("registry.example.com/app", "registry.example.com", "app", "latest"),
        ("registry.example.com:5000/team/app:1.2", "registry.example.com:5000", "team/app", "1.2"),
        ("localhost/app", "localhost", "app", "latest"),
        ("localhost:5000/app:x", "localhost:5000", "app", "x"),
        ("198.18.0.2:5000/a/b/c", "198.18.0.2:5000", "a/b/c", "latest"),
        ("[::1]:5000/app:v1", "[::1]:5000", "app", "v1"),
        ("busybox", DOCKER_HUB, "busybox", "latest"),
        ("busybox:stable", DOCKER_HUB, "busybox", "stable"),
        ("team/app:1", DOCKER_HUB, "team/app", "1"),
        ("123.dkr.ecr.eu-central-1.amazonaws.com/a_b/c__d-e.f", None, "a_b/c__d-e.f", "latest"),
    ],
)
def test_a_destination_is_read_as_docker_reads_it(
    text: str, host: str | None, path: str, tag: str
) -> None:
    found = parse(text)
    assert found == Reference(host or text.partition("/")[0], path, tag)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "https://registry.example.com/app",
            "'https://registry.example.com/app' has a scheme; write it without 'https://'",
        ),
        (
            "registry.example.com/app@sha256:" + "0" * 64,
            "has a digest, which only the push itself can make; give a tag",
        ),
        ("registry.example.com/App", "'App' is no repository; lower-case letters"),
        ("registry.example.com/a//b", "'a//b' is no repository"),
        ("registry.example.com/", "'' is no repository"),
        ("registry.example.com/app:", "'' is no tag"),
        ("registry.example.com/app:a b", "'a b' is no tag; up to 128 letters"),
        ("registry.example.com/app:" + "x" * 129, "is no tag"),
        ("registry.example.com/app:.x", "'.x' is no tag"),
        ("registry.example.com:70000/app", "the port of 'registry.example.com:70000' is not"),
        ("registry.example.com:0/app", "is not between 1 and 65535"),
        ("-bad.example.com/app", "'-bad.example.com' is no registry host"),
        ("a b.example.com/app", "is no registry host"),
        ("", "'' is no repository"),
        ("registry.example.com/äpp", "'äpp' is no repository"),
        ("registry.example.com/app\n", "is no repository"),
    ],
)
def test_a_bad_destination_is_told_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as caught:
        parse(text)
    assert told in str(caught.value)
    assert repr(text) in str(caught.value) or text in str(caught.value)


@settings(max_examples=30, deadline=None)
@given(st.from_regex(r"[a-z0-9]{1,9}(\.[a-z]{2,5}){1,2}(:[1-9][0-9]{1,3})?", fullmatch=True))
def test_a_destination_survives_being_written_and_read_again(host: str) -> None:
    reference = Reference(host, "team/app", "v1")
    assert parse(str(reference)) == reference


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_no_text_ends_in_another_error_than_a_refusal(text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    assert found.path
    assert host_problem(found.host) is None
    assert tag_problem(found.tag) is None
