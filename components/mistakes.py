"""How wrong input is told: every mistake at once, each with its place and the way out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

Path = tuple[str | int, ...]
"""Where a value stands in the arguments: keys and list positions, outermost first."""


@dataclass(frozen=True)
class Mistake:
    """One wrong value.

    Attributes:
        path: where it stands, such as `("images", 2, "context", "directory")`.
        problem: what was found and what is allowed, as one sentence without a full stop.
    """

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.problem}" if self.path else self.problem


class InvalidArgs(ValueError):
    """Arguments that were refused, with all their mistakes.

    Attributes:
        mistakes: at least one.
    """

    def __init__(self, of: str, mistakes: Iterable[Mistake]) -> None:
        """Make the error.

        Args:
            of: what was refused, such as `image 'hello'`.
            mistakes: what is wrong with it.
        """
        self.of = of
        self.mistakes = tuple(mistakes)
        super().__init__(told(of, [str(mistake) for mistake in self.mistakes]))


def told(of: str, lines: Sequence[str]) -> str:
    """Put the lines of several mistakes under one heading.

    Args:
        of: what was refused.
        lines: one a mistake.
    """
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return "\n".join([f"{of} has {count}:", *(f"  {line}" for line in lines)])


def dotted(path: Path) -> str:
    """Write a path as people do: `images[2].context.directory`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name: the nearest known one, or all of them.

    Args:
        word: the name that was found.
        known: the names that exist.
    """
    names = sorted(known)
    if close := get_close_matches(word, names, n=1, cutoff=0.6):
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if names else "there is none"
