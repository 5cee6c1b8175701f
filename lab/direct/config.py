"""The stack's configuration, as the engine hands it to a program."""

import json
from pathlib import Path
from typing import Any

import yaml

from lab.direct.objects import DirectError


def read_project(folder: Path) -> dict[str, Any]:
    """Read Pulumi.yaml.

    Raises:
        DirectError: there is none.
    """
    return read_yaml(folder / "Pulumi.yaml")


def read_config(project: dict[str, Any], stack_file: Path) -> dict[str, str]:
    """Return the configuration of a stack: its own file over the defaults of the project.

    Args:
        project: what Pulumi.yaml holds.
        stack_file: such as `stacks/Pulumi.lab.yaml`.

    Raises:
        DirectError: a value is encrypted, or a file is missing or not YAML.
    """
    values = {
        key: value
        for key, declared in (project.get("config") or {}).items()
        if (value := default_of(declared)) is not None
    }
    values.update(read_yaml(stack_file).get("config") or {})
    config = {}
    for key, value in values.items():
        if is_encrypted(value):
            raise DirectError(
                f"{stack_file}: {key} is encrypted (`secure:`), and only the Pulumi CLI has the key"
            )
        config[key if ":" in key else f"{project['name']}:{key}"] = text_of(value)
    return config


def default_of(declared: Any) -> Any:
    """Return the default of a configuration key as Pulumi.yaml declares it, short or long."""
    if isinstance(declared, dict):
        return declared.get("value", declared.get("default"))
    return declared


def is_encrypted(value: Any) -> bool:
    """Tell whether a value holds an encrypted one."""
    if isinstance(value, dict):
        return list(value) == ["secure"] or any(is_encrypted(part) for part in value.values())
    return isinstance(value, list) and any(is_encrypted(part) for part in value)


def text_of(value: Any) -> str:
    """Return a value as the program gets it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a map.

    Raises:
        DirectError: with the reason.
    """
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise DirectError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise DirectError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise DirectError(f"{path}: holds no map")
    return content
