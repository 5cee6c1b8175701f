"""The command: `python -m lab.direct up|preview|down|outputs`, inside the lab's network."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lab.direct.cluster import Cluster, connect
from lab.direct.config import read_config, read_project
from lab.direct.deployment import Deployment
from lab.direct.memory import OUTPUTS, Memory
from lab.direct.monitor import Monitor
from lab.direct.objects import DirectError
from lab.direct.program import run_program
from lab.direct.report import Report
from lab.errors import LabError

ONLY_STACK = "lab"


def main() -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.direct", description=__doc__)
    parser.add_argument("command", choices=["up", "preview", "down", "outputs"])
    parser.add_argument("--stack", default=ONLY_STACK)
    parser.add_argument("--config", type=Path, help="stack file (stacks/Pulumi.<stack>.yaml)")
    parser.add_argument("--outputs", type=Path, help="file for the stack's outputs as JSON")
    options = parser.parse_args()
    try:
        if options.stack != ONLY_STACK:
            raise DirectError(f"the stack {options.stack} needs the Pulumi CLI: only lab does not")
        with connect(options.stack) as cluster:
            match options.command:
                case "down":
                    return down(cluster)
                case "outputs":
                    return outputs(cluster)
            stack_file = options.config or Path(f"stacks/Pulumi.{options.stack}.yaml")
            return deploy(cluster, stack_file, options.outputs, options.command == "preview")
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def deploy(cluster: Cluster, stack_file: Path, outputs_file: Path | None, preview: bool) -> int:
    """Run the program of the current folder, as `pulumi up` or `pulumi preview` would."""
    folder = Path.cwd()
    project = read_project(folder)
    name = project["name"]
    config = read_config(project, stack_file)
    report = Report(preview)
    deployment = Deployment(cluster, report, preview)
    monitor = Monitor(deployment, report, name)
    finished = run_program(folder, name, cluster.stack, config, monitor, report, preview)
    succeeded = finished and not report.failures
    if not preview and monitor.outputs:
        deployment.memory.write(OUTPUTS, monitor.outputs)
        if outputs_file:
            write_private(outputs_file, monitor.outputs)
    if succeeded:
        deployment.remove_all_but(monitor.urns)
    report.summary()
    return 0 if succeeded else 1


def down(cluster: Cluster) -> int:
    """Delete everything of the stack, and what was remembered of it."""
    report = Report()
    Deployment(cluster, report, preview=False).remove_all_but(set())
    Memory(cluster).forget()
    report.summary()
    return 0


def outputs(cluster: Cluster) -> int:
    """Print the outputs of the last `up`."""
    print(json.dumps(Memory(cluster).read(OUTPUTS) or {}, indent=2, sort_keys=True))
    return 0


def write_private(path: Path, value: Any) -> None:
    """Write JSON to a file that only its owner can read: outputs may hold secrets."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
