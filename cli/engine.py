"""The engine that runs the program: Pulumi's, or on the lab the direct deployment."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from pulumi.automation import PulumiCommand
from semver import VersionInfo

from cli.backend import Backend, backend, config_file, has_state, is_stale, locks, scratch_project
from cli.errors import CliError
from components.engine import OLDEST_ENGINE

LAB = "lab"
_WITH_CONFIG = {"config", "destroy", "preview", "refresh", "up"}
"""The commands that read the stack's configuration."""

CLI_VERSION = OLDEST_ENGINE
"""The version that is installed where there is none: the one that was tested."""


class Engine(Protocol):
    """What runs the program for one stack."""

    def up(self, *, refresh: bool) -> int:
        """Deploy, and return the exit status."""

    def preview(self) -> int:
        """Show what `up` would do, and return the exit status."""

    def down(self) -> int:
        """Remove everything of the stack, and return the exit status."""

    def outputs(self) -> dict[str, Any]:
        """Give the stack's outputs after an `up`; empty where there are none."""


def prepare_engine(stack: str) -> str:
    """Choose the engine, and install the CLI where it is missing. Needs the Internet for that.

    Args:
        stack: which stack it is for.

    Returns:
        `pulumi` or `direct`.

    Raises:
        CliError: when the CLI can't be had and the stack needs it.
    """
    forced = os.environ.get("ENGINE", "")
    if forced not in ("", "pulumi", "direct"):
        raise CliError(f"ENGINE is '{forced}'; it can be pulumi or direct")
    if forced == "direct":
        if stack != LAB:
            raise CliError(f"ENGINE=direct works on the lab only; the stack is '{stack}'")
        return "direct"
    if pulumi() is None and not _install():
        if stack == LAB and not forced:
            print(
                "It can't be downloaded from here: the lab deploys the same program directly, "
                "with no other state than the cluster's."
            )
            return "direct"
        raise CliError(
            f"The Pulumi CLI {CLI_VERSION} or newer is needed for the stack '{stack}', and it "
            "can't be downloaded from here: install it (https://www.pulumi.com/docs/install/) and "
            "put it on PATH."
        )
    _install_plugin()
    return "pulumi"


def engine(kind: str, stack: str) -> Engine:
    """Give the engine that `prepare_engine` chose."""
    return DirectEngine(stack) if kind == "direct" else PulumiEngine(stack)


def pulumi() -> str | None:
    """Find the CLI: on PATH, or where an earlier run has installed it."""
    installed = _install_root() / "bin" / "pulumi"
    return shutil.which("pulumi") or (str(installed) if installed.exists() else None)


def _install_root() -> Path:
    return Path.home() / ".pulumi" / "versions" / CLI_VERSION


def _install() -> bool:
    print(f"The Pulumi CLI is not on PATH: installing {CLI_VERSION} into {_install_root()} ...")
    try:
        PulumiCommand.install(str(_install_root()), VersionInfo.parse(CLI_VERSION))
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return False
    return pulumi() is not None


def _install_plugin() -> None:
    if shutil.which("pulumi-resource-kubernetes"):
        return
    version = importlib.metadata.version("pulumi-kubernetes")
    words = ["plugin", "install", "resource", "kubernetes", version]
    if subprocess.run([str(pulumi()), *words], stdout=subprocess.DEVNULL).returncode:
        raise CliError(f"pulumi-kubernetes {version} can't be installed: see the message above")


class PulumiEngine:
    """The real engine, by its command line."""

    def __init__(self, stack: str) -> None:
        """Prepare the calls.

        Args:
            stack: which stack.
        """
        self._stack = stack
        self._backend: Backend = backend()
        self._environment = {
            **os.environ,
            **self._backend.environment,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PATH": f"{Path(str(pulumi())).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *words: str) -> int:
        """Run a command of the CLI for the stack, with the terminal of this process."""
        self._ensure_stack()
        needs_config = self._backend.own and words[0] in _WITH_CONFIG
        config = ["--config-file", str(config_file(self._stack))] if needs_config else []
        command = ["pulumi", *words, "--stack", self._stack, *config]
        return subprocess.run(command, env=self._environment).returncode

    def up(self, *, refresh: bool) -> int:
        """Deploy; one failed image doesn't stop the others."""
        self._unlock()
        more = ["--refresh"] if refresh else []
        return self.run(
            "up", "--yes", "--skip-preview", "--suppress-outputs", "--continue-on-error", *more
        )

    def preview(self) -> int:
        """Show what would change and why; nothing is started."""
        return self.run("preview", "--diff")

    def down(self) -> int:
        """Remove everything of the stack."""
        self._unlock()
        return self.run("destroy", "--yes", "--skip-preview", "--continue-on-error")

    def outputs(self) -> dict[str, Any]:
        """Give the outputs, secrets in clear."""
        words = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", self._stack]
        found = subprocess.run(words, env=self._environment, capture_output=True, text=True)
        outputs: dict[str, Any] = json.loads(found.stdout) if found.returncode == 0 else {}
        return outputs

    def _exists(self) -> bool:
        if self._backend.own:
            return has_state(self._stack)
        probe = ["pulumi", "stack", "--stack", self._stack]
        return subprocess.run(probe, env=self._environment, capture_output=True).returncode == 0

    def _ensure_stack(self) -> None:
        if self._exists():
            return
        where = ["-C", str(scratch_project())] if self._backend.own else []
        made = subprocess.run(
            ["pulumi", *where, "stack", "init", self._stack],
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise CliError(f"the stack '{self._stack}' can't be made: {made.stderr.strip()}")

    def _unlock(self) -> None:
        """Free a stack that a killed `up` of this machine has left locked."""
        if self._backend.own and any(map(is_stale, locks())):
            print("An earlier run was killed and left the stack locked: it is freed.")
            words = ["pulumi", "cancel", "--yes", "--stack", self._stack]
            subprocess.run(words, env=self._environment)


class DirectEngine:
    """The lab's direct deployment, for machines that can't get the CLI."""

    def __init__(self, stack: str) -> None:
        """Prepare the calls.

        Args:
            stack: which stack; it has to be the lab's.
        """
        self._words = [sys.executable, "-m", "lab.direct"]
        self._stack = ["--stack", stack]

    def _run(self, command: str) -> int:
        return subprocess.run([*self._words, command, *self._stack]).returncode

    def up(self, *, refresh: bool) -> int:
        """Deploy; there is no state that could be refreshed."""
        del refresh
        return self._run("up")

    def preview(self) -> int:
        """Show what would be created, kept or replaced."""
        return self._run("preview")

    def down(self) -> int:
        """Remove everything of the stack."""
        return self._run("down")

    def outputs(self) -> dict[str, Any]:
        """Give the outputs of the last `up`."""
        words = [*self._words, "outputs", *self._stack]
        found = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        outputs: dict[str, Any] = json.loads(found.stdout) if found.returncode == 0 else {}
        return outputs
