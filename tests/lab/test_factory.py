"""The program on a real cluster, from the first `make up` to `make down`, by each engine."""

import base64
import json
import time
import urllib.error
import urllib.request

import pytest

from components.build_state import DIGEST
from lab.enter import entered
from tests.project import NAMESPACE, REGISTRY, Project, digests, kubectl, registry_password, result

pytestmark = pytest.mark.lab


def test_up_builds_three_images_and_runs_a_pod_of_one(factory: Project) -> None:
    ended = factory.up()

    assert ended.status == 0
    assert set(digests(ended.output)) == {"hello", "my-build", "greeter"}
    assert "greeter, as user 1000, says: HELLO FROM AN IMAGE" in ended.output
    assert all(
        result(ended.output, image).startswith("built in") for image in digests(ended.output)
    )


def test_the_steps_of_running_builds_are_shown(factory: Project) -> None:
    factory.configure(workspace={"size": "1Gi", "revision": "steps"})

    ended = factory.up()

    assert ended.status == 0
    assert "building" in ended.output or "pushing" in ended.output


def test_a_second_up_starts_no_job_and_is_quick(factory: Project) -> None:
    before = factory.jobs()

    # The quicker of two, since a busy machine is no property of the program.
    runs = [factory.up(), factory.up()]

    assert [run.status for run in runs] == [0, 0]
    assert factory.jobs() == before
    assert {result(runs[0].output, image) for image in before} == {"unchanged"}
    assert min(run.seconds for run in runs) < 10


def test_one_changed_byte_rebuilds_the_image_and_those_built_on_it_only(factory: Project) -> None:
    before = factory.jobs()
    _write(factory, "examples/hello/greeting.txt", "hello again\n")

    ended = factory.up()

    after = factory.jobs()
    assert ended.status == 0
    assert "HELLO AGAIN" in ended.output
    assert {image for image in before if before[image] != after[image]} == {"hello", "greeter"}


def test_a_failed_build_is_named_with_its_last_lines_and_the_others_go_on(factory: Project) -> None:
    before = factory.jobs()
    dockerfile = factory.folder / "examples/hello/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("RUN tr", "RUN echo woe && exit 3 && tr"))
    factory.configure(workspace={"size": "1Gi", "revision": "beside a failure"})

    ended = factory.up()

    assert ended.status != 0
    assert "image 'hello' failed in attempt 4" in ended.output
    assert "exit status 3" in ended.output
    assert result(ended.output, "my-build").startswith("built in")
    assert factory.jobs()["my-build"] != before["my-build"]


def test_after_a_repair_only_what_failed_is_tried_and_two_more_ups_do_nothing(
    factory: Project,
) -> None:
    before = factory.jobs()
    dockerfile = factory.folder / "examples/hello/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("echo woe && exit 3 && ", ""))

    assert factory.up().status == 0

    repaired = factory.jobs()
    assert repaired["my-build"] == before["my-build"]
    assert repaired["hello"] != before["hello"]
    for _ in range(2):
        assert factory.up().status == 0
        assert factory.jobs() == repaired


def test_a_wrong_password_fails_the_build_and_names_the_registry(factory: Project) -> None:
    wrong = {"registry": REGISTRY, "username": "kaniko", "password": "wrong"}
    factory.configure(
        credentials={"logins": [wrong]}, workspace={"size": "1Gi", "revision": "wrong password"}
    )

    ended = factory.up()

    assert ended.status != 0
    assert "image 'my-build' failed" in ended.output
    assert REGISTRY in ended.output.partition("image 'my-build' failed")[2]
    assert "401 Unauthorized" in ended.output or "UNAUTHORIZED" in ended.output

    factory.configure(credentials=None)
    assert factory.up().status == 0


def test_the_builds_config_json_holds_the_login_and_nobody_else_can_read_it(
    factory: Project,
) -> None:
    listed = _on_claim("kaniko-credentials", "ls -ln /claim/config.json && cat /claim/config.json")

    assert listed.startswith("-r--------    1 0        0")
    assert REGISTRY in json.loads(listed.partition("\n")[2])["auths"]


def test_a_restarted_registry_still_has_the_images(factory: Project) -> None:
    known = digests(factory.up().output)
    selector = ["-l", "app.kubernetes.io/component=registry"]
    kubectl("-n", NAMESPACE, "delete", "pod", "--wait", *selector)
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=60s", "pod", *selector)

    assert {image: _digest_in_registry(image, known[image]) for image in known} == known


def test_no_password_is_in_a_job_a_config_map_or_a_log(factory: Project) -> None:
    password = registry_password()
    places = kubectl("-n", NAMESPACE, "get", "jobs,pods,configmaps,events", "-o", "json")
    for pod in json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]:
        places += kubectl("-n", NAMESPACE, "logs", pod["metadata"]["name"])

    assert password not in places
    assert base64.b64encode(f"kaniko:{password}".encode()).decode() not in places


def test_status_lists_every_build_with_its_digest(factory: Project) -> None:
    ended = factory.run("status")

    assert ended.status == 0
    for image in ("hello", "my-build", "greeter"):
        row = next(line for line in ended.output.splitlines() if line.startswith(image))
        assert "complete" in row
        assert DIGEST.search(row)


def test_down_leaves_no_object_of_the_stack_behind(factory: Project) -> None:
    ended = factory.run("down")

    assert ended.status == 0
    assert factory.leftovers() == []


def _write(factory: Project, path: str, text: str) -> None:
    (factory.folder / path).write_text(text)


def _digest_in_registry(image: str, digest: str) -> str:
    address = kubectl(
        "-n", NAMESPACE, "get", "service", "kaniko-registry", "-o", "jsonpath={.spec.clusterIP}"
    )
    login = base64.b64encode(f"kaniko:{registry_password()}".encode()).decode()
    request = urllib.request.Request(
        f"http://{address}:5000/v2/{image}/manifests/{digest}",
        headers={
            "Authorization": f"Basic {login}",
            "Accept": "application/vnd.docker.distribution.manifest.v2+json, "
            "application/vnd.oci.image.manifest.v1+json",
        },
    )
    end = time.monotonic() + 15
    while True:
        try:
            with entered(), urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.headers["Docker-Content-Digest"])
        except urllib.error.URLError:
            # The pod is ready a moment before the Service knows it.
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _on_claim(claim: str, script: str) -> str:
    """Run a script in a pod that has a claim at /claim, and give what it printed."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "look", "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "look",
                    "image": "docker.io/library/busybox:1.37.0",
                    "command": ["sh", "-c", script],
                    "volumeMounts": [{"name": "claim", "mountPath": "/claim"}],
                }
            ],
            "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }
    overrides = json.dumps(pod)
    words = ["-n", NAMESPACE, "run", "look", "--image=unused", "--restart=Never"]
    try:
        kubectl(*words, f"--overrides={overrides}")
        kubectl(
            "-n", NAMESPACE, "wait", "pod/look", "--timeout=60s",
            "--for=jsonpath={.status.phase}=Succeeded",
        )  # fmt: skip
        return kubectl("-n", NAMESPACE, "logs", "look")
    finally:
        kubectl("-n", NAMESPACE, "delete", "pod", "look", "--ignore-not-found", "--now")
