"""The component package, as every Pulumi language sees it."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider import experimental
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import generate_schema

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "components"

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def hosted() -> dict[str, Any]:
    """What `components/__main__.py` hosts, run as Pulumi runs the folder."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experimental, "component_provider_host", lambda **given: found.update(given))
        patch.setattr(sys, "path", list(sys.path))
        runpy.run_path(str(PACKAGE), run_name="__main__")
    return found


@pytest.fixture(scope="module")
def schema(hosted: dict[str, Any]) -> Schema:
    """The schema that Pulumi generates the SDKs of all languages from."""
    found = Analyzer(hosted["name"]).analyze(hosted["components"])
    made = generate_schema(
        hosted["name"],
        "1.0.0",
        None,
        found["component_definitions"],
        found["type_definitions"],
        list(found["dependencies"]),
    )
    return made.to_json()


def resource(schema: Schema, name: str) -> Schema:
    found: Schema = schema["resources"][f"kaniko:index:{name}"]
    return found


def type_(schema: Schema, name: str) -> Schema:
    found: Schema = schema["types"][f"kaniko:index:{name}"]
    return found


def properties(schema: Schema) -> dict[str, Schema]:
    """All properties of the package by a name such as `Image.inputProperties.context`."""
    found: dict[str, Schema] = {}
    for token, described in schema["resources"].items():
        name = token.rpartition(":")[2]
        for kind in ("inputProperties", "properties"):
            found |= {f"{name}.{kind}.{key}": described[kind][key] for key in described[kind]}
    for token, described in schema["types"].items():
        name = token.rpartition(":")[2]
        found |= {f"{name}.{key}": value for key, value in described.get("properties", {}).items()}
    return found


def test_the_folder_is_a_plugin_that_pulumi_runs_with_python() -> None:
    assert (PACKAGE / "PulumiPlugin.yaml").read_text() == "runtime: python\n"


def test_the_package_is_named_kaniko_and_holds_every_component(
    hosted: dict[str, Any], schema: Schema
) -> None:
    assert hosted["name"] == schema["name"] == "kaniko"
    assert set(schema["resources"]) == {
        f"kaniko:index:{name}"
        for name in ("Credentials", "Image", "ImageFactory", "Registry", "Workspace")
    }


def test_tokens_are_those_that_the_components_register_themselves_with(hosted: Any) -> None:
    for component in hosted["components"]:
        source = Path(sys.modules[component.__module__].__file__ or "").read_text()
        assert f'"kaniko:index:{component.__name__}"' in source


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("Credentials", ["namespace"]),
        ("Image", ["context", "destination", "namespace"]),
        ("ImageFactory", ["images"]),
        ("Registry", ["namespace"]),
        ("Workspace", ["namespace"]),
    ],
)
def test_only_what_has_no_default_must_be_given(
    schema: Schema, name: str, required: list[str]
) -> None:
    assert resource(schema, name)["requiredInputs"] == required


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("ContextArgs", None),
        ("ResourcesArgs", None),
        ("CatalogueImage", ["context", "name"]),
        ("LoaderArgs", ["image"]),
        ("LoginArgs", ["password", "registry", "username"]),
        ("WorkspaceVolumeArgs", ["claimName"]),
        ("CredentialsVolumeArgs", ["claimName"]),
        ("WorkspaceSettings", None),
        ("CredentialsSettings", None),
        ("RegistrySettings", None),
    ],
)
def test_only_what_has_no_default_must_be_given_in_a_type(
    schema: Schema, name: str, required: list[str] | None
) -> None:
    assert type_(schema, name).get("required") == required


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("Credentials", {"claimName", "pullSecret"}),
        (
            "Image",
            {
                "ref",
                "digest",
                "tags",
                "buildKey",
                "stateCommand",
                "dockerRunCommand",
                "dockerRunCommandWithLogin",
            },
        ),
        ("ImageFactory", {"namespace", "registry", "pullSecret", "refs"}),
        ("Registry", {"host", "username", "password"}),
        ("Workspace", {"claimName", "path", "revision"}),
    ],
)
def test_every_output_is_there_and_always_set(schema: Schema, name: str, outputs: set[str]) -> None:
    found = resource(schema, name)
    assert set(found["properties"]) == outputs
    assert set(found["required"]) == outputs


def test_access_modes_are_an_enum_with_the_words_of_kubernetes(schema: Schema) -> None:
    found = type_(schema, "AccessMode")
    assert found["type"] == "string"
    assert {value["name"]: value["value"] for value in found["enum"]} == {
        "READ_WRITE_ONCE": "ReadWriteOnce",
        "READ_WRITE_MANY": "ReadWriteMany",
        "READ_WRITE_ONCE_POD": "ReadWriteOncePod",
        "READ_ONLY_MANY": "ReadOnlyMany",
    }
    modes = resource(schema, "Workspace")["inputProperties"]["accessModes"]
    assert modes["items"]["$ref"] == "#/types/kaniko:index:AccessMode"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Image.inputProperties.namespace", "string"),
        ("Image.inputProperties.buildArgs", "object"),
        ("Image.inputProperties.tags", "array"),
        ("Image.inputProperties.activeDeadlineSeconds", "integer"),
        ("ImageFactory.inputProperties.createNamespace", "boolean"),
        ("Image.properties.tags", "array"),
        ("ImageFactory.properties.refs", "object"),
    ],
)
def test_properties_have_the_types_that_users_expect(schema: Schema, path: str, kind: str) -> None:
    assert properties(schema)[path]["type"] == kind


@pytest.mark.parametrize(
    "path",
    [
        "Image.inputProperties.namespace",
        "Image.inputProperties.destination",
        "Credentials.inputProperties.namespace",
        "WorkspaceVolumeArgs.claimName",
        "CredentialsVolumeArgs.claimName",
        "LoginArgs.password",
        "LoginArgs.registry",
    ],
)
def test_outputs_of_other_resources_can_be_given(schema: Schema, path: str) -> None:
    assert "plain" not in properties(schema)[path]


def test_the_refs_of_other_images_can_be_build_arguments(schema: Schema) -> None:
    for path in ("Image.inputProperties.buildArgs", "CatalogueImage.buildArgs"):
        assert "plain" not in properties(schema)[path]["additionalProperties"]


def test_every_component_and_type_is_described(schema: Schema) -> None:
    described = {**schema["resources"], **schema["types"]}
    assert [token for token in described if not described[token].get("description")] == []


def test_every_output_and_every_property_of_a_plain_type_is_described(schema: Schema) -> None:
    # LoginArgs and its like inherit nothing.
    inheriting = ("CatalogueImage", "WorkspaceSettings", "CredentialsSettings", "RegistrySettings")
    found = {
        path: found
        for path, found in properties(schema).items()
        if not path.startswith(inheriting) and ".inputProperties." not in path
    }
    assert len(found) > 30
    assert [path for path in found if not found[path].get("description")] == []


@pytest.mark.xfail(
    reason="Pulumi's analyzer reads the docstrings of a TypedDict's own keys only", strict=True
)
def test_every_property_is_described_inherited_ones_too(schema: Schema) -> None:
    found = properties(schema)
    assert [path for path in found if not found[path].get("description")] == []
