r"""What a `.dockerignore` leaves out, decided as Docker decides it.

The rules are those of the Go package `github.com/moby/patternmatcher` (v0.6) as BuildKit's client
walks a build context with it: the last pattern that matches decides, and a folder's matches hold
for all that is below it.

Where Docker reads a pattern as something its author can't have meant, it is an error here instead:
a backslash before a letter or digit (Docker hands `\d` to Go's regular expressions), `*` or `?` or
`[:` inside brackets, and a malformed bracket anywhere (Docker looks only at the first few).
"""

import posixpath
import re
from dataclasses import dataclass

Matches = tuple[bool, ...]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Go's unicode.IsSpace: Python's own str.strip() takes four control characters more.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + ("\u2028\u2029\u202f\u205f\u3000")
)

_ESCAPED = r"\\[^A-Za-z0-9\u0080-\U0010ffff]"
_MEMBER = rf"(?:{_ESCAPED}|[^\\\-\]*?])"
_TOKEN = re.compile(
    rf"""
      (?P<folders>\*\*/?)
    | (?P<star>\*)
    | (?P<one>\?)
    | \[(?P<negated>\^?+)(?P<members>(?:{_MEMBER}(?:-{_MEMBER})?)+)\]
    | (?P<escaped>{_ESCAPED})
    | (?P<regular>[|^]|\{{\d+(?:,\d*)?\}})
    | (?P<literal>[^\\\[])
    """,
    re.VERBOSE | re.DOTALL,
)
_RANGE = re.compile(rf"({_MEMBER})(?:-({_MEMBER}))?", re.DOTALL)
_PLAIN = re.compile(r"(?P<lead>\*\*)?(?P<literal>[^*?\[\]\\]*)(?P<tail>\*\*)?", re.DOTALL)


class DockerignoreError(ValueError):
    """A pattern that can't be used; the message names file and line."""


@dataclass(frozen=True)
class Pattern:
    """One line of a `.dockerignore`.

    Attributes:
        glob: the pattern, cleaned as Docker does, without its `!`.
        exception: whether it began with `!`, so that it keeps what it matches.
        expression: the same as a regular expression for a whole path.
    """

    glob: str
    exception: bool
    expression: re.Pattern[str]


@dataclass(frozen=True)
class Dockerignore:
    """The patterns of one `.dockerignore`, in their order."""

    patterns: tuple[Pattern, ...] = ()

    def match(self, path: str, parent: Matches = ()) -> tuple[bool, Matches]:
        """Tell whether a path is left out.

        Args:
            path: relative to the context, parts joined by `/`, no slash at either end.
            parent: what this function returned for the folder the path is in; empty at the top.

        Returns:
            Whether the path is left out, and which patterns matched it: to be handed in as `parent`
            for what is below it.
        """
        ignored = False
        matches = []
        for index, pattern in enumerate(self.patterns):
            # As in Docker, a pattern that can't change the answer is not tried, and so doesn't
            # match what is below either.
            matched = (bool(parent) and parent[index]) or (
                pattern.exception == ignored and pattern.expression.search(path) is not None
            )
            matches.append(matched)
            if matched:
                ignored = not pattern.exception
        return ignored, tuple(matches)

    def may_keep_below(self, folder: str) -> bool:
        """Tell whether a folder that is left out has to be looked into.

        Args:
            folder: relative to the context, parts joined by `/`, no slash at either end.

        Returns:
            False where no exception can match anything below the folder.
        """
        for pattern in self.patterns:
            stem = pattern.glob.removesuffix("/**").removesuffix("/*")
            if pattern.exception and (
                re.search(r"[*\[\]?^\\]", stem) or f"{stem}/".startswith(f"{folder}/")
            ):
                return True
        return False


def parse(content: bytes, file: str) -> Dockerignore:
    """Read a `.dockerignore`.

    Args:
        content: the file's bytes, UTF-8, with or without a byte order mark.
        file: what to call the file in an error.

    Returns:
        Its patterns; comments and empty lines are none.

    Raises:
        DockerignoreError: a line is not UTF-8 or no valid pattern.
    """
    patterns = []
    for number, line in enumerate(content.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), start=1):
        try:
            pattern = _pattern(line.decode())
        except UnicodeDecodeError:
            raise DockerignoreError(
                f"{file}:{number}: {line!r} is not UTF-8; save the file in that encoding"
            ) from None
        except ValueError as error:
            raise DockerignoreError(f"{file}:{number}: {error}") from None
        if pattern:
            patterns.append(pattern)
    return Dockerignore(tuple(patterns))


def _pattern(line: str) -> Pattern | None:
    if line.startswith("#"):
        return None
    text = line.strip(_SPACE)
    if not text:
        return None
    mark = "!" if text.startswith("!") else ""
    path = text.removeprefix("!").strip(_SPACE)
    if path:
        path = _clean(path)
        path = path[1:] if len(path) > 1 and path.startswith("/") else path
    # Docker cleans a second time, the mark included, and only then looks for it.
    glob = _clean((mark + path).strip(_SPACE))
    exception = glob.startswith("!")
    glob = glob.removeprefix("!")
    if not glob:
        raise ValueError(f"{text!r} names nothing to keep; write a path after the `!`")
    try:
        return Pattern(glob, exception, re.compile(_expression(glob)))
    except re.error as error:
        raise ValueError(f"{text!r} is no valid pattern: {error}") from None


def _clean(path: str) -> str:
    # normpath keeps two leading slashes, Go's filepath.Clean doesn't.
    return re.sub("^//", "/", posixpath.normpath(path))


def _expression(glob: str) -> str:
    plain = _PLAIN.fullmatch(glob)
    if plain and not (plain["lead"] and plain["tail"]):
        literal = re.escape(plain["literal"])
        if plain["tail"]:
            return f"^{literal}"
        if not plain["lead"]:
            return rf"^{literal}\Z"
        if literal.startswith("/"):
            return rf"^(?:(?s:.)*/)?{literal[1:]}\Z"
        return rf"^(?s:.)*{literal}\Z"
    parts = []
    position = 0
    while position < len(glob):
        token = _TOKEN.match(glob, position)
        if not token:
            raise ValueError(_complaint(glob, position))
        position = token.end()
        parts.append(_part(token, last=position == len(glob)))
    return "^" + "".join(parts) + r"\Z"


def _part(token: re.Match[str], last: bool) -> str:
    match token.lastgroup:
        case "folders":
            return ".*" if last else "(?:.*/)?"
        case "star":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "members":
            if "[:" in token["members"]:
                raise ValueError(_complaint(token.string, token.start()))
            ranges = (
                "-".join(re.escape(end[-1]) for end in pair if end)
                for pair in _RANGE.findall(token["members"])
            )
            return f"[{token['negated']}{''.join(ranges)}]"
        case "regular":
            # Docker forgets to escape these, so `a|b*` is two patterns and `a{2}*` needs two a's.
            return token[0]
        case _:
            return re.escape(token[0][-1])


def _complaint(glob: str, position: int) -> str:
    if glob[position] == "\\":
        return (
            f"`{glob[position:][:2]}` in {glob!r} escapes nothing: a backslash goes before"
            r" punctuation, `\\` is a backslash, and folders are divided by `/`"
        )
    return (
        f"`[` in {glob!r} begins no valid set such as `[abc]`, `[a-z]`, `[^0-9]`; inside it, `-`,"
        r" `]`, `*` and `?` need a backslash, and so does a `[` that is meant as itself"
    )
