"""The command line behind `make`: `python -m cli up | preview | down | status`."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from cli import deploy
from cli.engine import LAB, PulumiEngine, prepare_engine
from cli.errors import CliError
from lab import cluster as lab
from lab.enter import entered
from lab.errors import LabError
from stack_config import StackConfigError, stack_from_file

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Stack = Annotated[str, typer.Option(help="Name of the stack.", envvar="STACK")]


@app.command()
def up(stack: Stack = LAB) -> None:
    """Start the lab if it is the lab's stack, deploy, and show what was built."""
    _at_cluster(stack, "up", lab.up, deploy.up)


@app.command()
def preview(stack: Stack = LAB) -> None:
    """Show what `up` would change, and why; nothing is started."""
    _at_cluster(stack, "preview", _need_lab, deploy.preview)


@app.command()
def status(stack: Stack = LAB) -> None:
    """Show the builds in the cluster."""
    _at_cluster(stack, "status", _need_lab, deploy.status)


@app.command()
def down(
    stack: Stack = LAB,
    with_lab: Annotated[bool, typer.Option("--lab", help="End the lab as well.")] = False,
) -> None:
    """Remove everything of the stack; with --lab, then the lab."""
    if stack != LAB or lab.is_ready():
        _at_cluster(stack, "down", _need_lab, deploy.down)
    else:
        typer.echo("The lab isn't running, so nothing of its stack is either.")
    if with_lab:
        lab.down()


@app.command()
def output(name: str, stack: Stack = LAB) -> None:
    """Print one output of the stack as it is, such as `dockerRunCommands`."""
    _at_cluster(stack, "output", _need_lab, partial(deploy.output, name=name))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def pulumi(context: typer.Context, stack: Stack = LAB) -> None:
    """Run the Pulumi CLI for the stack as `make` does: `python -m cli pulumi stack output`."""

    def run(stack: str, kind: str) -> int:
        if kind != "pulumi":
            raise CliError("There is no Pulumi CLI on this machine, which that command needs.")
        return PulumiEngine(stack).run(*context.args)

    _at_cluster(stack, "pulumi", _need_lab, run)


def _need_lab() -> None:
    if not lab.is_ready():
        raise CliError("The lab isn't running; `make lab` starts it.")


def _at_cluster(
    stack: str, command: str, start_lab: Callable[[], None], run: Callable[[str, str], int]
) -> None:
    """Run a command where the cluster can be reached: the lab's is only in its own network."""
    stack_from_file(stack)
    chosen = prepare_engine(stack) if command != "status" else "none"
    if stack == LAB:
        start_lab()
        with entered():
            status = run(stack, chosen)
    else:
        status = run(stack, chosen)
    if status:
        raise typer.Exit(status)


def main() -> None:
    """Run a command; known errors end it with their text alone."""
    try:
        app()
    except (CliError, LabError, StackConfigError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
