"""Where Pulumi keeps a stack's state: the user's own backend, or a folder of this checkout."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stack_config import PROJECT, stack_file

FOLDER = Path(".pulumi")
_STATE = FOLDER / "state" / ".pulumi"
SALT = "encryptionsalt"

_PASSPHRASE_VARIABLES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@dataclass(frozen=True)
class Backend:
    """How the CLI is called for a stack.

    Attributes:
        own: whether the state is in this checkout's folder.
        environment: variables to set.
    """

    own: bool
    environment: dict[str, str] = field(default_factory=dict)


def backend() -> Backend:
    """Choose the backend.

    A user who has set one, or is logged in to one, has chosen already. Otherwise the state is kept
    in `.pulumi`, which only its owner can read, encrypted by a passphrase made on the first run.
    """
    if "PULUMI_BACKEND_URL" in os.environ or _logged_in():
        return Backend(own=False)
    state = FOLDER / "state"
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    FOLDER.chmod(0o700)
    state.mkdir(exist_ok=True)
    environment = {"PULUMI_BACKEND_URL": f"file://{state.resolve()}"}
    if not any(variable in os.environ for variable in _PASSPHRASE_VARIABLES):
        environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase_file().resolve())
    return Backend(own=True, environment=environment)


@dataclass(frozen=True)
class Memory:
    """One thing that `make` remembers of a stack, where there is a folder for it.

    Attributes:
        stack: name of the stack.
        of: what it is: `cluster`, the identity of the one that was deployed into, or `greeted`,
            the ref of the image whose pod has run.
    """

    stack: str
    of: str

    def read(self) -> str:
        """Give it; empty when nothing is remembered."""
        path = self._path()
        return path.read_text() if path.exists() else ""

    def write(self, text: str) -> None:
        """Remember it."""
        if FOLDER.is_dir():
            self._path().write_text(text)

    def _path(self) -> Path:
        return FOLDER / f"{self.stack}.{self.of}"


def _logged_in() -> bool:
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    try:
        return bool(json.loads((home / "credentials.json").read_text()).get("current"))
    except (OSError, ValueError):
        return False


def _passphrase_file() -> Path:
    path = FOLDER / "passphrase"
    if not path.exists():
        # A run that is killed meanwhile must not leave an empty passphrase behind.
        made = path.with_suffix(".new")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(32))
        made.replace(path)
    return path


def has_state(stack: str) -> bool:
    """Say whether the stack exists in this checkout's own backend."""
    return (_STATE / "stacks" / PROJECT / f"{stack}.json").exists()


def locks() -> list[Path]:
    """Find the locks of stacks in this checkout's own backend."""
    return list((_STATE / "locks").rglob("*.json"))


def is_stale(lock: Path) -> bool:
    """Say whether the process that took a lock was killed."""
    try:
        pid = int(json.loads(lock.read_text())["pid"])
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, TypeError, ValueError):
        return False
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Say whether a process is dead and only its parent doesn't know yet; Linux tells."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in ("Z", "X")


def scratch_project() -> Path:
    """Make a project of the same name in which a stack can be made.

    Making a stack writes a salt into its file, which would change one that is under git.
    """
    folder = FOLDER / "project"
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    return folder


def config_file(stack: str) -> Path:
    """Write the stack's file with the salt of its own state, for `--config-file`.

    Args:
        stack: its name.

    Returns:
        The stack's own file, where it has a salt already.
    """
    own = Path(stack_file(stack))
    made = scratch_project() / f"Pulumi.{stack}.yaml"
    if SALT in _keys(own):
        return own
    salt = _keys(made).get(SALT)
    written = FOLDER / f"Pulumi.{stack}.yaml"
    written.write_text(f"{own.read_text()}\n{SALT}: {salt}\n" if salt else own.read_text())
    return written


def _keys(path: Path) -> dict[str, str]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
