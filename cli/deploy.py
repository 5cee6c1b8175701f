"""One command for one stack, run where its cluster can be reached."""

import json
from typing import Any

from kubernetes.config import ConfigException
from rich.console import Console
from urllib3.exceptions import HTTPError

from cli import report
from cli.backend import Memory
from cli.engine import LAB, engine
from cli.errors import CliError
from cli.greeter import run_pod
from components.api import Access, Api, ApiException
from components.build_state import BuildState
from components.cluster import Cluster
from components.image_factory import ImageFactoryArgs
from components.mistakes import nearest
from lab import node
from stack_config import PROJECT, stack_from_file

GREETER = "greeter"
DEFAULT_NAMESPACE = "kaniko"


def up(stack: str, kind: str) -> int:
    """Deploy, show what was built, and run a pod of the greeter.

    Args:
        stack: its name.
        kind: which engine runs it.

    Returns:
        The exit status: not 0 when anything failed.
    """
    console = report.console()
    args = stack_from_file(stack)
    api = _reached()
    cluster = Cluster(api)
    before = [build.job for build in _builds(cluster, stack, args)]
    runner = engine(kind, stack)
    known, identity = Memory(stack, "cluster"), _identity(api)
    another = known.read() not in ("", identity)
    if another:
        Memory(stack, "greeted").write("")
    status = runner.up(refresh=another)
    known.write(identity)
    outputs = runner.outputs()
    builds = report.newest(_builds(cluster, stack, args))
    images = outputs.get("images", {})
    digests = {
        image["name"]: images.get(image["name"], {}).get("digest", "") for image in args["images"]
    }
    console.print()
    console.print(report.results(digests, builds, before))
    for failure in report.failures(builds.values()):
        console.print()
        console.print(failure)
    if status:
        console.print("\nSome of it failed. Repair it and run it again: only what failed is tried.")
        return status
    if GREETER in images:
        _greet(console, api, stack, outputs)
    _say_next(console, stack)
    return status


def _greet(console: Console, api: Api, stack: str, outputs: dict[str, Any]) -> None:
    registry, ref = outputs["registry"], outputs["images"][GREETER]["ref"]
    greeted = Memory(stack, "greeted")
    if greeted.read() == ref:
        console.print(f"\n{GREETER} is unchanged; a pod of it has run before.")
        return
    if stack == LAB:
        node.trust_registry(registry)
    try:
        said = run_pod(api, outputs["namespace"], ref, outputs["pullSecret"])
    except CliError as error:
        if stack == LAB:
            raise
        console.print(
            f"\nNo pod of {GREETER} was run: {error}\nThe nodes of this cluster have to resolve "
            f"{registry} and take plain HTTP from it (containerd: certs.d/{registry}/hosts.toml)."
        )
        return
    greeted.write(ref)
    console.print(f"\nA pod of {GREETER} ran, pulled by digest, and said:\n  {said}")


def _say_next(console: Console, stack: str) -> None:
    chosen = "" if stack == LAB else f" STACK={stack}"
    console.print(
        f"\nNext: change a file in examples/hello and run `make preview{chosen}`, then "
        f"`make up{chosen}`;\n`make status{chosen}` shows the builds, `make down{chosen}` removes "
        "everything."
    )


def preview(stack: str, kind: str) -> int:
    """Show what `up` would do, and return the exit status."""
    return engine(kind, stack).preview()


def down(stack: str, kind: str) -> int:
    """Remove everything of the stack, and return the exit status."""
    _reached()
    Memory(stack, "greeted").write("")
    return engine(kind, stack).down()


def output(stack: str, kind: str, *, name: str) -> int:
    """Print one output of the last `up`: text as it is, anything else as JSON.

    Raises:
        CliError: with the outputs that there are.
    """
    outputs = engine(kind, stack).outputs()
    if name not in outputs:
        raise CliError(f"the stack '{stack}' has no output '{name}'; {nearest(name, outputs)}")
    found = outputs[name]
    print(found if isinstance(found, str) else json.dumps(found, indent=2))
    return 0


def status(stack: str, kind: str) -> int:
    """Show the builds of the stack that are in the cluster."""
    del kind
    builds = _builds(Cluster(_reached()), stack, stack_from_file(stack))
    console = report.console()
    if builds:
        console.print(report.status(builds))
    else:
        console.print(f"There is no build of the stack '{stack}' in the cluster.")
    return 0


def _builds(cluster: Cluster, stack: str, args: ImageFactoryArgs) -> list[BuildState]:
    return cluster.builds(args.get("namespace", DEFAULT_NAMESPACE), f"{PROJECT}.{stack}")


def _reached() -> Api:
    """Give the API of the current kubeconfig's cluster, which has to answer."""
    try:
        api = Api(Access())
    except ConfigException as error:
        raise CliError(f"there is no cluster: {error}; set KUBECONFIG or make one") from None
    try:
        api.get("/version", timeout=5.0)
    except (HTTPError, OSError, ApiException) as error:
        raise CliError(
            f"no cluster answers at {api.host} ({_reason(error)}): start it, or choose another "
            "with `kubectl config use-context`"
        ) from None
    return api


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)).split(": ", 1)[-1]


def _identity(api: Api) -> str:
    return str(api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
