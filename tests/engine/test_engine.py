"""What only a real Pulumi engine can show: previews, drift, kills, and what is in the state."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.project import NAMESPACE, Project, kubectl, registry_password

pytestmark = [pytest.mark.lab, pytest.mark.engine]


def test_a_first_preview_lists_the_images_and_makes_nothing(pulumi_factory: Project) -> None:
    ended = pulumi_factory.run("preview")

    assert ended.status == 0
    created = re.findall(r"\+ kaniko:index:Image: \(create\)\s+\[urn=\S+::(\S+)\]", ended.output)
    assert set(created) == {"kaniko-hello", "kaniko-my-build", "kaniko-greeter"}
    assert pulumi_factory.leftovers() == []


def test_a_preview_says_which_images_a_change_rebuilds_and_why(pulumi_factory: Project) -> None:
    assert pulumi_factory.up().status == 0
    before = pulumi_factory.jobs()
    _change(pulumi_factory, "another greeting")

    ended = pulumi_factory.run("preview")

    assert ended.status == 0
    assert _replaced(ended.output) == {"kaniko-hello", "kaniko-greeter"}
    assert "pulumi-kaniko/context" in ended.output
    assert pulumi_factory.jobs() == before
    _change(pulumi_factory, "hello from an image that was built in the cluster")


def test_other_resources_or_deadlines_rebuild_nothing(pulumi_factory: Project) -> None:
    before = pulumi_factory.jobs()
    pulumi_factory.configure(
        activeDeadlineSeconds=1200, resources={"requests": {"cpu": "100m", "memory": "256Mi"}}
    )

    assert pulumi_factory.up().status == 0

    assert pulumi_factory.jobs() == before


def test_refresh_finds_no_drift_after_an_up(pulumi_factory: Project) -> None:
    before = pulumi_factory.jobs()

    assert pulumi_factory.run("pulumi", "refresh", "--yes", "--skip-preview").status == 0
    assert pulumi_factory.up().status == 0

    assert pulumi_factory.jobs() == before


def test_the_digests_outlive_the_pods_of_the_builds(pulumi_factory: Project) -> None:
    before = _outputs(pulumi_factory)["images"]
    kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app.kubernetes.io/component=build")

    assert pulumi_factory.up().status == 0

    assert _outputs(pulumi_factory)["images"] == before


def test_a_job_deleted_by_hand_is_built_again_after_a_refresh(pulumi_factory: Project) -> None:
    before = pulumi_factory.jobs()
    selector = "app.kubernetes.io/component=build,app.kubernetes.io/instance=my-build"
    kubectl("-n", NAMESPACE, "delete", "jobs", "-l", selector)

    assert pulumi_factory.run("pulumi", "refresh", "--yes", "--skip-preview").status == 0
    assert pulumi_factory.up().status == 0

    after = pulumi_factory.jobs()
    assert {image for image in before if before[image] != after[image]} == {"my-build"}


def test_a_killed_up_heals_with_the_next_and_its_leftover_job_is_named(
    pulumi_factory: Project,
) -> None:
    before = pulumi_factory.jobs()
    dockerfile = pulumi_factory.folder / "examples/hello/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("RUN tr", "RUN sleep 8 && tr"))
    _kill_while_building(pulumi_factory, before["hello"])

    healed = pulumi_factory.up()

    assert healed.status == 0
    assert "An earlier run was killed and left the stack locked: it is freed." in healed.output
    again = pulumi_factory.up()
    assert again.status == 0
    stray = _strays(again.output)
    assert len(stray) == 1
    kubectl("-n", NAMESPACE, "delete", "job", *stray)
    settled = pulumi_factory.jobs()
    for _ in range(2):
        ended = pulumi_factory.up()
        assert ended.status == 0
        assert _strays(ended.output) == set()
        assert pulumi_factory.jobs() == settled


def test_no_password_is_in_the_state_in_clear(pulumi_factory: Project) -> None:
    secret = registry_password()
    state = pulumi_factory.folder / ".pulumi"

    holders = [path for path in state.rglob("*") if path.is_file() and secret in _text(path)]

    assert holders == []
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_new_cluster_is_noticed_and_filled_from_the_start(pulumi_factory: Project) -> None:
    kubectl("delete", "namespace", NAMESPACE)
    (pulumi_factory.folder / ".pulumi" / "lab.cluster").write_text("the identity of another one")

    assert pulumi_factory.up().status == 0

    assert set(pulumi_factory.jobs()) == {"hello", "my-build", "greeter"}


def test_down_leaves_no_object_and_no_resource_in_the_state(pulumi_factory: Project) -> None:
    assert pulumi_factory.run("down").status == 0

    assert pulumi_factory.leftovers() == []
    exported = pulumi_factory.run("pulumi", "stack", "export").output
    assert json.loads(exported[exported.index("{") :])["deployment"].get("resources", []) == []


def _change(project: Project, greeting: str) -> None:
    (project.folder / "examples/hello/greeting.txt").write_text(f"{greeting}\n")


def _replaced(preview: str) -> set[str]:
    job = r"\+-kubernetes:batch/v1:Job: \(replace\)\s+\[id=\S+\]\s+\[urn=\S+::(\S+)\]"
    return set(re.findall(job, preview))


def _outputs(project: Project) -> dict[str, dict[str, str]]:
    ended = project.run("pulumi", "stack", "output", "--json")
    found: dict[str, dict[str, str]] = json.loads(ended.output[ended.output.index("{") :])
    return found


def _kill_while_building(project: Project, earlier: str) -> None:
    running = subprocess.Popen(
        project.words("up"),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while project.jobs()["hello"] == earlier:
            assert time.monotonic() < end, "no build of hello was started"
            time.sleep(0.2)
        time.sleep(1)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _strays(output: str) -> set[str]:
    return {
        line.partition(": Job ")[2].split(" ")[0]
        for line in output.splitlines()
        if "is left over from an `up` that was killed" in line
    }


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
