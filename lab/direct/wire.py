"""Between the SDK's messages and plain JSON values."""

from typing import Any

from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.proto import resource_pb2

from lab.direct.objects import DirectError, Object

EMPTY = empty_pb2.Empty()
SIGNATURE = rpc._special_sig_key
SECRET = rpc._special_secret_sig
UNKNOWN = rpc.UNKNOWN


def plain(value: Any) -> Any:
    """Return a message's value as JSON: secrets unwrapped, whole numbers as integers.

    Raises:
        DirectError: it holds what JSON cannot, such as an asset.
    """
    if isinstance(value, struct_pb2.Value):
        kind = value.WhichOneof("kind")
        return None if kind in (None, "null_value") else plain(getattr(value, kind))
    if isinstance(value, struct_pb2.Struct):
        fields = {key: plain(part) for key, part in value.fields.items()}
        if SIGNATURE not in fields:
            return fields
        if fields[SIGNATURE] != SECRET:
            raise DirectError("assets and references to resources need the Pulumi CLI")
        return fields["value"]
    if isinstance(value, struct_pb2.ListValue):
        return [plain(part) for part in value.values]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def struct(outputs: Object) -> struct_pb2.Struct:
    """Return plain outputs as a message."""
    message = struct_pb2.Struct()
    message.update(outputs)
    return message


def with_secrets(request: resource_pb2.RegisterResourceRequest, outputs: Object) -> Object:
    """Mark the outputs that the program must treat as secret, as the engine does."""
    secret = set(request.additionalSecretOutputs)
    secret |= {key for key, value in request.object.fields.items() if SECRET in str(value)}
    if request.type == "pulumi:index:Stash" and "input" in secret:
        secret.add("output")
    return {
        key: {SIGNATURE: SECRET, "value": value} if key in secret else value
        for key, value in outputs.items()
    }


def holds_unknown(value: Any) -> bool:
    """Tell whether a preview does not know the value, or a part of it, yet."""
    return UNKNOWN in str(value)


def unknown_as_none(value: Any) -> Any:
    """Return a plain value with None for what is not known."""
    if isinstance(value, dict):
        return {key: unknown_as_none(part) for key, part in value.items()}
    if isinstance(value, list):
        return [unknown_as_none(part) for part in value]
    return None if value == UNKNOWN else value


def urn_of(parent: str, token: str, name: str, stack: str, project: str) -> str:
    """Return the URN that the engine would give to a resource."""
    parent_type = parent.split("::")[2] if parent else ""
    if parent_type and parent_type != "pulumi:pulumi:Stack":
        token = f"{parent_type}${token}"
    return f"urn:pulumi:{stack}::{project}::{token}::{name}"
