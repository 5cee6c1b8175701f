"""The program: this stack's image factory, from its configuration and the catalogue."""

import pulumi

from components import ImageFactory
from stack_config import StackConfigError, running_stack


def as_script(commands: dict[str, str]) -> str:
    """Write the command of each image below its name, ready to paste."""
    return "\n\n".join(f"# {name}\n{command}" for name, command in commands.items())


try:
    args = running_stack()
except StackConfigError as error:
    raise pulumi.RunError(str(error)) from None

factory = ImageFactory("kaniko", args)
images = factory.images
commands = {
    "statusCommands": {name: image.state_command for name, image in images.items()},
    "dockerRunCommands": {name: image.docker_run_command for name, image in images.items()},
    "dockerRunCommandsWithLogin": {
        name: image.docker_run_command_with_login for name, image in images.items()
    },
}

pulumi.export(
    "images",
    {name: {"ref": image.ref, "digest": image.digest} for name, image in images.items()},
)
pulumi.export("registry", factory.registry)
pulumi.export("namespace", factory.namespace)
pulumi.export("pullSecret", factory.pull_secret)
for output, of_images in commands.items():
    pulumi.export(output, pulumi.Output.all(**of_images).apply(as_script))
