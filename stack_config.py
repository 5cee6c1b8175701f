"""A stack's configuration and the catalogue, as the arguments of the factory."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi
import yaml

from components.image_factory import ImageFactoryArgs, checked_factory
from components.mistakes import InvalidArgs, Mistake, dotted, told

PROJECT = "pulumi-kaniko"
CATALOGUE = "images.yaml"


class StackConfigError(ValueError):
    """A configuration that was refused: every mistake with its file and path."""


def stack_file(stack: str) -> str:
    """Give the path of a stack's configuration within the project."""
    return f"stacks/Pulumi.{stack}.yaml"


def running_stack() -> ImageFactoryArgs:
    """Read the configuration of the stack that the engine runs.

    Raises:
        StackConfigError: with every mistake.
    """
    # Both is what pulumi.Config reads; only the whole shows keys that nobody asks for.
    found = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    return factory_args(pulumi.get_stack(), _own(found))


def stack_from_file(stack: str) -> ImageFactoryArgs:
    """Read a stack's configuration without an engine, to check it before anything starts.

    Args:
        stack: its name; secrets in its file stay encrypted and count as text.

    Raises:
        StackConfigError: with every mistake, or the stacks that exist.
    """
    path = Path(stack_file(stack))
    if not path.is_file():
        stacks = sorted(found.name.split(".")[1] for found in path.parent.glob("Pulumi.*.yaml"))
        raise StackConfigError(
            f"there is no stack '{stack}', since there is no {path}; known: {', '.join(stacks)}"
        )
    return factory_args(stack, _own(_mapping(_read_yaml(path).get("config"))))


def factory_args(stack: str, values: Mapping[str, Any]) -> ImageFactoryArgs:
    """Join a stack's configuration and the catalogue.

    Args:
        stack: name of the stack.
        values: its configuration, without the project's prefix; what it says wins.

    Raises:
        StackConfigError: with every mistake.
    """
    catalogue = _read_yaml(Path(CATALOGUE))
    joined = _join(catalogue, values)
    try:
        return checked_factory(joined, f"stack '{stack}'")
    except InvalidArgs as error:
        lines = [_line(mistake, stack, values, catalogue) for mistake in error.mistakes]
        raise StackConfigError(told(error.of, lines)) from None


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{PROJECT}:"
    own = {
        key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)
    }
    return {key: _decoded(value) for key, value in own.items()}


def _decoded(value: Any) -> Any:
    # The engine hands maps and lists over as JSON.
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(json.JSONDecodeError):
            return json.loads(value)
    return _without_secure(value)


def _without_secure(value: Any) -> Any:
    match value:
        case {"secure": str() as encrypted, **rest} if not rest:
            return encrypted
        case dict():
            return {key: _without_secure(inner) for key, inner in value.items()}
        case list():
            return [_without_secure(inner) for inner in value]
        case _:
            return value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        return _mapping(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise StackConfigError(f"{path} is no valid YAML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StackConfigError(f"{path} can't be read: {error}") from None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _join(catalogue: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(catalogue)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(joined.get(key), dict)
        joined[key] = _join(joined[key], value) if both else value
    return joined


def _line(
    mistake: Mistake, stack: str, values: Mapping[str, Any], catalogue: Mapping[str, Any]
) -> str:
    depth = _depth(values, mistake.path)
    if depth and depth >= _depth(catalogue, mistake.path):
        return f"{stack_file(stack)}: {PROJECT}:{dotted(mistake.path)}: {mistake.problem}"
    return f"{CATALOGUE}: {dotted(mistake.path)}: {mistake.problem}"


def _depth(value: Any, path: tuple[str | int, ...]) -> int:
    for depth, part in enumerate(path):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(path)
