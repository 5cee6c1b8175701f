"""`.dockerignore`: the tables are those of github.com/moby/patternmatcher's own tests."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dockerignore import Dockerignore, DockerignoreError, Matches, parse


def ignores(lines: list[str], path: str) -> bool:
    return leaves_out(parse("\n".join(lines).encode(), ".dockerignore"), path)


def leaves_out(ignore: Dockerignore, path: str) -> bool:
    parts = path.split("/")
    matches: Matches = ()
    left_out = False
    for depth in range(1, len(parts) + 1):
        left_out, matches = ignore.match("/".join(parts[:depth]), matches)
    return left_out


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "file", True),
        ("**/", "file", True),
        ("**", "dir/file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("**/dir", "dir", True),
        ("**/dir", "dir/file", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir3/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**/file", "dir/file", True),
        ("**file", "dir/dir/file", True),
        ("**/file", "dir/dir/file", True),
        ("**/file*", "dir/dir/file", True),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/file*.txt", "dir/dir/file.txt", True),
        ("**/file*.txt*", "dir/dir/file.txt", True),
        ("**/**/*.txt", "dir/dir/file.txt", True),
        ("**/**/*.txt2", "dir/dir/file.txt", False),
        ("**/*.txt", "file.txt", True),
        ("**/**/*.txt", "file.txt", True),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a/*.txt", "a/file.txt", True),
        ("a/*.txt**", "a/file.txt", True),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[b-d]e", "aae", False),
        ("a[^b-d]e", "aze", True),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcdef", False),
        ("abc.def", "abc.def", True),
        ("abc.def", "abcZdef", False),
        ("abc?def", "abcZdef", True),
        ("abc?def", "abcdef", False),
        ("a\\\\", "a\\", True),
        ("**/foo/bar", "foo/bar", True),
        ("**/foo/bar", "dir/foo/bar", True),
        ("**/foo/bar", "dir/dir2/foo/bar", True),
        ("abc/**", "abc", False),
        ("abc/**", "abc/def", True),
        ("abc/**", "abc/def/ghi", True),
        ("**/.foo", ".foo", True),
        ("**/.foo", "bar.foo", False),
        ("a(b)c/def", "a(b)c/def", True),
        ("a(b)c/def", "a(b)c/xyz", False),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("dist/a.py-2.4.0rc3+g08-py3.whl", "dist/a.py-2.4.0rc3+g08-py3.whl", True),
        ("dist/*.whl", "dist/a.py-2.4.0rc3+g08-py3.whl", True),
        ("a\\*b", "a*b", True),
    ],
)
def test_a_pattern_matches_what_docker_matches(pattern: str, path: str, expected: bool) -> None:
    assert ignores([pattern], path) is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*", "ab/c", True),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("a[^a][^a][^a]b", "a☺b", False),
        ("[a-ζ]*", "\u03b1", True),
        ("*[a-ζ]", "A", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-]", "-", True),
        ("[x\\-]", "x", True),
        ("[x\\-]", "-", True),
        ("[x\\-]", "z", False),
        ("[\\-x]", "x", True),
        ("[\\-x]", "-", True),
        ("[\\-x]", "a", False),
        ("*x", "xxx", True),
    ],
)
def test_wildcards_match_as_in_go(pattern: str, path: str, expected: bool) -> None:
    assert ignores([pattern], path) is expected


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["!fileutils.go", "*.go"], "fileutils.go", True),
        (["*.go", "!fileutils.go"], "fileutils.go", False),
        (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs/", "!docs/README.md"], "docs/README.md", False),
        (["docs/*", "!docs/README.md"], "docs/README.md", False),
        (["docs", "  !docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md  "], "docs/README.md", False),
        (["**", "!util/docker/web"], "util/docker/web/foo", False),
        (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
        (["**", "!dist/a+g08-py3.whl"], "dist/a+g08-py3.whl", False),
        (["**", "!dist/*.whl"], "dist/a+g08-py3.whl", False),
        ([], "any/path/there", False),
    ],
)
def test_the_last_pattern_that_matches_decides(
    patterns: list[str], path: str, expected: bool
) -> None:
    assert ignores(patterns, path) is expected


@pytest.mark.parametrize(
    ("content", "globs"),
    [
        (
            b"test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path",
            ["test1", "test2", "a/file/here", "lastfile", "!inverted/abs/path"],
        ),
        (b"\xef\xbb\xbf# comment\nx", ["x"]),
        (b"a/\r\n  ./b//c/../d  \r\n", ["a", "b/d"]),
        (b"  # no comment", ["# no comment"]),
        (b"//x\n/", ["x", "/"]),
        (b"\\!x", ["\\!x"]),
        (b"!!x", ["!!x"]),
        (b"\xc2\xa0x\xe2\x80\x83", ["x"]),
        (b"x\x1c", ["x\x1c"]),
    ],
)
def test_lines_are_read_as_docker_reads_them(content: bytes, globs: list[str]) -> None:
    patterns = parse(content, ".dockerignore").patterns
    assert ["!" * pattern.exception + pattern.glob for pattern in patterns] == globs


@pytest.mark.parametrize(
    "pattern",
    [
        *("[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^]", "[^bc", "a[", "[z-a]"),
        *("\\", "!", "! ", "!/", "foo*[-c]", "a{2}{3}*"),
    ],
)
def test_an_invalid_pattern_is_told_with_file_and_line(pattern: str) -> None:
    with pytest.raises(DockerignoreError, match=r"^app/\.dockerignore:3: "):
        parse(f"ok\n\n{pattern}\n".encode(), "app/.dockerignore")


@pytest.mark.parametrize("pattern", ["src\\build", "\\d*", "[*]", "[?]", "[[:alpha:]]", "\\é"])
def test_what_docker_would_misread_is_an_error_that_says_why(pattern: str) -> None:
    with pytest.raises(DockerignoreError, match=r"backslash"):
        parse(pattern.encode(), ".dockerignore")


def test_a_line_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(DockerignoreError, match=r"^\.dockerignore:2: .*UTF-8"):
        parse(b"ok\ncaf\xe9\n", ".dockerignore")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a|b*", "xb", True),
        ("a|b*", "xc", False),
        ("a|b*", "a-and-more", True),
        ("a{2}*", "aa", True),
        ("a{2}*", "a{2}", False),
        ("{{name}}/*", "{{name}}/x", True),
        ("a^b", "a^b", True),
        ("a^*", "a^b", False),
        ("a[^b]c", "a/c", True),
    ],
)
def test_even_dockers_slips_are_kept(pattern: str, path: str, expected: bool) -> None:
    assert ignores([pattern], path) is expected


def test_an_exception_of_a_folder_does_not_undo_a_later_choice_below_it() -> None:
    # BuildKit doesn't try `!a` on the folder, since nothing had left it out.
    assert ignores(["a/b", "!a"], "a/b")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["docs"], False),
        (["docs", "!README.md"], False),
        (["docs", "!docs/README.md"], True),
        (["docs", "!docs/**"], True),
        (["docs", "!docs2/x"], False),
        (["docs", "!*/README.md"], True),
    ],
)
def test_an_ignored_folder_is_looked_into_only_for_an_exception(
    lines: list[str], expected: bool
) -> None:
    assert parse("\n".join(lines).encode(), "x").may_keep_below("docs") is expected


NAMES = st.sampled_from(["a", "b", "ab", ".git", "x.py", "é", "a b"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
GLOBS = st.lists(NAMES | st.sampled_from(["*", "**", "?", "*.py", "[ab]"]), min_size=1, max_size=3)
LINES = st.tuples(st.sampled_from(["", "!", "/", "!/"]), GLOBS.map("/".join)).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=5), PATHS, NAMES)
def test_leaving_out_a_folder_unseen_never_loses_a_file(
    lines: list[str], folder: str, name: str
) -> None:
    ignore = parse("\n".join(lines).encode(), ".dockerignore")
    if leaves_out(ignore, folder) and not ignore.may_keep_below(folder):
        assert leaves_out(ignore, f"{folder}/{name}")


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=5), PATHS)
def test_a_path_named_at_the_end_is_left_out(lines: list[str], path: str) -> None:
    assert ignores([*lines, path], path)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_patterns_or_an_error(content: bytes) -> None:
    with contextlib.suppress(DockerignoreError):
        parse(content, ".dockerignore").match("a")
