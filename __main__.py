"""The program: this stack's image factory, from its configuration and the catalogue."""

import pulumi

from components import ImageFactory
from stack_config import StackConfigError, running_stack

try:
    args = running_stack()
except StackConfigError as error:
    raise pulumi.RunError(str(error)) from None

factory = ImageFactory("kaniko", args)
images = factory.images

pulumi.export(
    "images",
    {name: {"ref": image.ref, "digest": image.digest} for name, image in images.items()},
)
pulumi.export("registry", factory.registry)
pulumi.export("namespace", factory.namespace)
pulumi.export("pullSecret", factory.pull_secret)
pulumi.export("statusCommands", {name: image.state_command for name, image in images.items()})
pulumi.export(
    "dockerRunCommands",
    {name: image.docker_run_command for name, image in images.items()},
)
pulumi.export(
    "dockerRunCommandsWithLogin",
    {name: image.docker_run_command_with_login for name, image in images.items()},
)
