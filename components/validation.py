"""Arguments are TypedDicts; pydantic checks values against those very types."""

import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, NotRequired, Required, TypeVar, cast, get_args, get_origin

import pulumi
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails
from typing_extensions import get_type_hints, is_typeddict

from .mistakes import InvalidArgs, Mistake, Path, nearest

ARGS = ConfigDict(
    extra="forbid",
    arbitrary_types_allowed=True,
    alias_generator=to_camel,
    validate_by_name=True,
    validate_by_alias=True,
)
"""What every arguments type is decorated with: camelCase keys as in stack files and the other
languages, snake_case ones as in Python, and no unknown key."""

T = TypeVar("T")

# pulumi.Input names its parts by forward references, which only these modules resolve.
_NAMES = {**vars(typing), **vars(pulumi.output)}

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a map of keys and values",
}


def validate(shape: type[T], value: object, of: str) -> T:
    """Check a value against a TypedDict.

    Args:
        shape: a TypedDict decorated with `with_config(ARGS)`.
        value: what was given, with camelCase or snake_case keys.
        of: what it is for, as the heading of the error.

    Returns:
        A new value with snake_case keys, whole numbers and enums coerced.

    Raises:
        InvalidArgs: with every mistake and its path.
    """
    try:
        return cast(T, _adapter(cast(Any, shape)).validate_python(value))
    except ValidationError as error:
        raise InvalidArgs(of, _mistakes(shape, error.errors(include_url=False))) from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(shape)
    adapter.rebuild(_types_namespace=_NAMES)
    return adapter


def _mistakes(shape: object, errors: list[ErrorDetails]) -> list[Mistake]:
    # An Input is a union: pydantic reports the plain type, then each kind of output.
    inputs = {error["loc"][:-1] for error in errors if error["type"] == "is_instance_of"}
    found = []
    for error in errors:
        if error["type"] == "is_instance_of":
            continue
        path = error["loc"][:-1] if error["loc"][:-1] in inputs else error["loc"]
        found.append(Mistake(path, _problem(shape, path, error)))
    return found


def _problem(shape: object, path: Path, error: ErrorDetails) -> str:
    kind, given = error["type"], error["input"]
    if kind == "missing":
        return "is required and was not given"
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(path[-1]), fields(_shape_at(shape, path[:-1])))}"
    if kind == "enum":
        allowed = error.get("ctx", {}).get("expected", "")
        return f"must be {allowed}, found {described(given)}"
    if kind in _EXPECTED:
        text = f"must be {_EXPECTED[kind]}, found {described(given)}"
        quote = kind == "string_type" and isinstance(given, bool | int | float)
        return f"{text}; write it in quotes" if quote else text
    return f"{error['msg']}, found {described(given)}"


def described(value: object) -> str:
    """Say what a value is, as the writer of YAML would call it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the truth value {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"'{value}'"
        case list():
            return f"a list of {len(value)}"
        case Mapping():
            return f"a map with the keys {', '.join(map(str, value))}" if value else "an empty map"
        case Enum():
            return f"'{value.value}'"
        case _:
            return type(value).__name__


def fields(shape: object) -> list[str]:
    """List the keys of a TypedDict as stack files write them."""
    return [to_camel(name) for name in _hints(shape)] if is_typeddict(shape) else []


def _hints(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape, localns=_NAMES)


def _shape_at(shape: object, path: Path) -> object:
    for part in path:
        while get_origin(shape) in (NotRequired, Required):
            shape = get_args(shape)[0]
        if is_typeddict(shape):
            hints = _hints(shape).items()
            shape = next((hint for name, hint in hints if part in (name, to_camel(name))), None)
        elif get_origin(shape) in (list, dict):
            shape = get_args(shape)[-1]
        else:
            return None
    return shape
