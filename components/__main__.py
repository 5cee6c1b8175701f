"""The component provider: these components for every Pulumi language."""

import sys
from importlib import import_module
from pathlib import Path

from pulumi.provider.experimental import component_provider_host

if __name__ == "__main__":
    # Pulumi runs this folder as a program of its own; its modules import each other relatively.
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder.parent))
    package = import_module(folder.name)
    component_provider_host(
        name="kaniko",
        components=[
            package.Credentials,
            package.Image,
            package.ImageFactory,
            package.Registry,
            package.Workspace,
        ],
    )
