"""`Workspace`: the claim that build contexts lie on, and the Job that fills it."""

from typing import Any

import pulumi
import pytest

from components import AccessMode, Workspace
from components.mistakes import InvalidArgs
from tests.unit.conftest import CLAIM, JOB, WORKSPACE, Deploy, Deployed

LOADER: Any = {"image": "busybox", "command": ["sh", "-ec"], "args": ["true"]}


def deployed_with(deploy: Deploy, **more: Any) -> Deployed:
    args: Any = {"namespace": "kaniko", **more}
    return deploy(lambda: Workspace("workspace", args))


def revision_of(deploy: Deploy, **more: Any) -> Any:
    outputs = deployed_with(deploy, **more).one(WORKSPACE).outputs
    assert outputs is not None
    return outputs["revision"]


def test_the_claim_has_the_name_that_was_promised(deploy: Deploy) -> None:
    deployed = deployed_with(deploy)
    claim = deployed.one(CLAIM)
    assert claim.inputs["metadata"]["name"] == "kaniko-workspace"
    assert claim.inputs["metadata"]["namespace"] == "kaniko"
    assert claim.inputs["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    outputs = deployed.one(WORKSPACE).outputs
    assert outputs is not None
    assert (outputs["claimName"], outputs["path"]) == ("kaniko-workspace", "/workspace")


def test_class_size_modes_and_name_are_a_choice(deploy: Deploy) -> None:
    claim = deployed_with(
        deploy,
        claim_name="contexts",
        storage_class="efs",
        size="1Ti",
        access_modes=[AccessMode.READ_WRITE_MANY],
    ).one(CLAIM)
    assert claim.inputs["metadata"]["name"] == "contexts"
    assert claim.inputs["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "efs",
        "resources": {"requests": {"storage": "1Ti"}},
    }


def test_without_a_loader_somebody_else_fills_it(deploy: Deploy) -> None:
    assert deployed_with(deploy).all(JOB) == []


def test_the_loader_is_mounted_at_the_workspace_and_may_write(deploy: Deploy) -> None:
    loader = {**LOADER, "environment": {"B": "2", "A": "1"}}
    job = deployed_with(deploy, loader=loader).one(JOB)
    assert job.container["image"] == "busybox"
    assert (job.container["command"], job.container["args"]) == (["sh", "-ec"], ["true"])
    assert job.container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    mount = job.mounts["/workspace"]
    assert "readOnly" not in mount
    assert mount["volume"]["persistentVolumeClaim"] == {"claimName": "kaniko-workspace"}


def test_the_loader_has_no_privilege_and_no_token_of_the_cluster(deploy: Deploy) -> None:
    job = deployed_with(deploy, loader=LOADER).one(JOB)
    assert job.pod["automountServiceAccountToken"] is False
    assert job.container["securityContext"]["allowPrivilegeEscalation"] is False
    assert "privileged" not in str(job.inputs)


def test_who_uses_the_claim_waits_for_the_loader(deploy: Deploy) -> None:
    args: Any = {"namespace": "kaniko", "loader": LOADER}

    def program() -> None:
        workspace = Workspace("workspace", args)
        pulumi.Stash("user", input=workspace.claim_name)

    deployed = deploy(program)
    user = deployed.one("pulumi:index:Stash", "user")
    assert user.inputs["input"] == "kaniko-workspace"
    assert deployed.one(JOB).urn in user.waits_for


def test_another_loader_or_revision_is_new_content(deploy: Deploy) -> None:
    same = revision_of(deploy, loader=LOADER)
    assert revision_of(deploy, loader=LOADER) == same
    others = [
        revision_of(deploy),
        revision_of(deploy, loader=LOADER, revision="2"),
        revision_of(deploy, revision="2"),
        revision_of(deploy, loader={**LOADER, "image": "alpine"}),
        revision_of(deploy, loader={**LOADER, "args": ["false"]}),
        revision_of(deploy, loader={**LOADER, "environment": {"A": "1"}}),
    ]
    assert len({same, *others}) == len(others) + 1


def test_new_content_runs_the_loader_again_and_another_claim_size_does_not(deploy: Deploy) -> None:
    before = deployed_with(deploy, loader=LOADER).one(JOB)
    assert before.trigger == revision_of(deploy, loader=LOADER)
    assert before.ignored == ["spec"]
    assert deployed_with(deploy, loader=LOADER, size="20Gi").one(JOB).trigger == before.trigger
    assert deployed_with(deploy, loader=LOADER, revision="2").one(JOB).trigger != before.trigger


def test_a_loader_without_an_image_is_refused(deploy: Deploy) -> None:
    def program() -> None:
        args: Any = {"namespace": "kaniko", "loader": {"command": ["true"]}}
        with pytest.raises(InvalidArgs, match=r"loader\.image: is required and was not given"):
            Workspace("workspace", args)

    assert deploy(program).resources == []
