"""What every component owes to Pulumi: parents, outputs, options, and an engine that is right."""

from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pydantic.alias_generators import to_camel

import components
from components import Credentials, Image, ImageFactory, Registry, Workspace
from components.engine import OLDEST_ENGINE
from tests.unit.conftest import STASH, Deploy, Deployed, Registered, context

Make = Callable[[pulumi.ResourceOptions | None], pulumi.ComponentResource]

LOGIN = {"registry": "r.example.com", "username": "me", "password": "x"}
ON_WORKSPACE = {"context": {"workspace": "/workspace/app"}}


def credentials(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    args: Any = {"namespace": "n", "logins": [LOGIN]}
    return Credentials("made", args, opts)


def image(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    args: Any = {"namespace": "n", "destination": "r.example.com/a", "context": {"directory": "c"}}
    return Image("made", args, opts)


def image_factory(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    images = [{"name": "a", "context": {"directory": "c"}}, {"name": "b", **ON_WORKSPACE}]
    args: Any = {"images": images, "workspace": {"loader": {"image": "busybox"}}}
    return ImageFactory("made", args, opts)


def registry(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    args: Any = {"namespace": "n"}
    return Registry("made", args, opts)


def workspace(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    args: Any = {"namespace": "n", "loader": {"image": "busybox"}}
    return Workspace("made", args, opts)


COMPONENTS: list[Make] = [credentials, image, image_factory, registry, workspace]

every_component = pytest.mark.parametrize("make", COMPONENTS, ids=lambda make: make.__name__)


@pytest.fixture(scope="module", autouse=True)
def _in_a_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(context(tmp_path_factory.mktemp("options") / "c").parent)
        yield


@pytest.fixture(scope="module", params=COMPONENTS, ids=lambda make: make.__name__)
def plain(request: pytest.FixtureRequest, deploy: Deploy) -> Deployed:
    """Each component in turn, without any option."""
    return deploy(lambda: request.param(None))


@pytest.fixture(scope="module", params=COMPONENTS, ids=lambda make: make.__name__)
def chosen(request: pytest.FixtureRequest, deploy: Deploy) -> Deployed:
    """Each component in turn, with the options that a caller may choose."""
    seen: list[str] = []

    def program() -> None:
        pulumi.export("seen", seen)
        opts = pulumi.ResourceOptions(
            parent=pulumi.ComponentResource("their:index:Stack", "outer"),
            depends_on=[pulumi.Stash("first", input="x")],
            protect=True,
            providers=[kubernetes.Provider("theirs", kubeconfig="{}")],
            aliases=[pulumi.Alias(name="before")],
            transformations=[lambda given: seen.append(given.name)],
        )
        request.param(opts)

    return deploy(program)


def made(deployed: Deployed) -> Registered:
    """The component itself."""
    components = [known for known in deployed.resources if known.type.startswith("kaniko:")]
    (found,) = [known for known in components if known.name == "made"]
    return found


def objects(deployed: Deployed) -> list[Registered]:
    """What a provider makes, below the component."""
    return [known for known in deployed.below(made(deployed)) if not known.is_component]


def ours(deployed: Deployed) -> list[Registered]:
    """What is in the cluster, below the component."""
    return [known for known in objects(deployed) if known.type.startswith("kubernetes:")]


def test_every_resource_is_below_the_component(plain: Deployed) -> None:
    below = {known.urn for known in plain.below(made(plain))}
    assert below | {made(plain).urn} == {known.urn for known in plain.resources}
    assert len(below) >= 2


def test_every_component_registers_all_outputs_that_it_declares(plain: Deployed) -> None:
    for known in plain.resources:
        if known.is_component:
            assert known.outputs, f"{known.name} never said that it is done"
            assert None not in known.outputs.values()


def test_every_declared_output_is_registered_under_its_schema_name(plain: Deployed) -> None:
    component = getattr(components, made(plain).type.split(":")[-1])
    declared = {to_camel(name) for name in component.__annotations__}
    assert set(made(plain).outputs or {}) == declared


def test_every_child_waits_for_what_the_caller_depends_on(chosen: Deployed) -> None:
    first = chosen.one(STASH, "first")
    assert [known.name for known in objects(chosen) if first.urn not in known.waits_for] == []


def test_protection_reaches_every_child(chosen: Deployed) -> None:
    assert [known.name for known in objects(chosen) if not known.request.protect] == []


def test_the_callers_provider_reaches_every_object(chosen: Deployed) -> None:
    assert [
        known.name for known in ours(chosen) if "::theirs::" not in known.request.provider
    ] == []


def test_aliases_of_the_component_reach_the_engine(chosen: Deployed) -> None:
    (alias,) = made(chosen).request.aliases
    assert alias.spec.name == "before"


def test_transformations_see_every_child(chosen: Deployed) -> None:
    below = chosen.below(made(chosen))
    seen = ["made", *(known.name for known in below)]
    assert sorted(chosen.exports["seen"]) == sorted(seen)


def test_the_component_may_have_a_parent_of_the_callers(chosen: Deployed) -> None:
    outer = chosen.one("their:index:Stack")
    assert [child.name for child in chosen.children_of(outer)] == ["made"]


@every_component
def test_one_provider_for_the_component_is_one_for_its_children(deploy: Deploy, make: Make) -> None:
    def program() -> None:
        provider = kubernetes.Provider("theirs", kubeconfig="{}")
        make(pulumi.ResourceOptions(provider=provider))

    deployed = deploy(program, preview=True)
    found = {
        known.name: known for known in objects(deployed) if known.type.startswith("kubernetes:")
    }
    assert [name for name in found if "::theirs::" not in found[name].request.provider] == []


@every_component
def test_a_preview_of_a_new_stack_reaches_its_end(deploy: Deploy, make: Make) -> None:
    real, shown = (deploy(lambda: make(None), preview=preview) for preview in (False, True))
    assert {known.urn for known in shown.resources} == {known.urn for known in real.resources}


@every_component
def test_an_engine_that_is_too_old_is_refused_before_any_object(deploy: Deploy, make: Make) -> None:
    # It would drop `replacementTrigger` silently, and no image would ever be built again.
    def program() -> None:
        with pytest.raises(Exception, match=f"3.0.0 does not satisfy >={OLDEST_ENGINE}"):
            make(None)

    deployed = deploy(program, engine="3.0.0")
    assert objects(deployed) == []


def test_no_pod_is_privileged_or_has_a_token_of_the_cluster(plain: Deployed) -> None:
    for known in plain.resources:
        if "template" in known.inputs.get("spec", {}):
            assert known.pod["automountServiceAccountToken"] is False, known.name
            assert known.container["securityContext"]["allowPrivilegeEscalation"] is False
            assert "privileged" not in str(known.inputs)
            assert "hostPath" not in str(known.inputs)


def test_every_object_is_found_by_its_labels(plain: Deployed) -> None:
    for known in plain.resources:
        if "metadata" in known.inputs:
            assert known.labels["app.kubernetes.io/managed-by"] == "pulumi-kaniko", known.name
            assert known.labels["app.kubernetes.io/part-of"] == "pulumi-kaniko.test", known.name
