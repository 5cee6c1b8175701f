"""The command line: `python -m lab up | down | status | kubeconfig | logs | exec | debian`."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from lab import addresses, cluster, parts, paths, upstream, versions
from lab.errors import LabError

app = typer.Typer(
    help="A throw-away, real, single-node Kubernetes on this machine.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def up() -> None:
    """Start the lab, or what is missing of it."""
    cluster.up()


@app.command()
def down() -> None:
    """End the lab and remove all it left; what was built stays in LAB_HOME."""
    cluster.down()


@app.command()
def status() -> None:
    """Say how each part is; ends with 0 only when the node is Ready."""
    pids = cluster.part_pids()
    for name, pid in pids.items():
        state = f"running, started {cluster.part_starts(name)} times" if pid else "down"
        typer.echo(f"{name:24} {state.replace('1 times', 'once')}")
    ready = all(pids.values()) and cluster.is_node_ready()
    typer.echo(f"{'node ' + addresses.NODE_NAME:24} {'Ready' if ready else 'not Ready'}")
    raise typer.Exit(0 if ready else 1)


@app.command()
def kubeconfig() -> None:
    """Print the path of the kubeconfig; it works inside `lab exec`."""
    typer.echo(cluster.kubeconfig())


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="A part, or `init`.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> None:
    """Print the log of a part; without a name, the end of each."""
    if not part:
        for name in ("init", *parts.NAMES):
            typer.echo(f"== {name}\n{cluster.last_lines(name)}")
        return
    file = paths.logs() / f"{part}.log"
    if not file.exists():
        raise LabError(f"There is no log of {part}. Parts: init, {', '.join(parts.NAMES)}.")
    words = ["tail", "--lines=+1", *(["--follow=name"] if follow else []), str(file)]
    raise typer.Exit(subprocess.run(words).returncode)


@app.command("exec", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def execute(context: typer.Context) -> None:
    """Run a command in the lab's network: `lab exec -- kubectl get pods`."""
    command = cluster.exec_argv(context.args or [os.environ.get("SHELL", "/bin/sh")])
    os.execvp(command[0], command)


@app.command()
def debian() -> None:
    """Put debian:bookworm-slim into the upstream registry, for builds that need it."""
    upstream.ensure_debian()
    typer.echo(f"{addresses.UPSTREAM}/{upstream.DEBIAN}:{versions.DEBIAN_RELEASE}-slim")


def main() -> None:
    """Run the command line; an error the user can do something about is one text."""
    try:
        app()
    except LabError as error:
        typer.echo(f"lab: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
