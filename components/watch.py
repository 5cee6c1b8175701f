"""Live steps of the builds that run, in Pulumi's own progress display."""

import asyncio
import contextlib
import contextvars
import threading
from dataclasses import dataclass, field
from functools import cache

import pulumi
from urllib3.exceptions import HTTPError

from .api import Access, ApiException
from .build_state import BuildState
from .cluster import Cluster, cluster

INTERVAL = 1.0
"""Seconds between two looks at the cluster."""


@dataclass
class _Watched:
    image: str
    part_of: str
    resource: pulumi.Resource
    told: str = ""


@dataclass
class Watch:
    """One thread that looks at all builds of a program and tells what each is doing."""

    cluster: Cluster
    _images: dict[str, list[_Watched]] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def add(self, namespace: str, image: str, part_of: str, resource: pulumi.Resource) -> None:
        """Tell of an image's builds from now on.

        Args:
            namespace: of the Job.
            image: its name, as in the Job's labels.
            part_of: the stack, as in the Job's labels.
            resource: beside which Pulumi shows the step.
        """
        self._images.setdefault(namespace, []).append(_Watched(image, part_of, resource))
        if self._thread is None:
            loop, context = asyncio.get_running_loop(), contextvars.copy_context()
            self._thread = threading.Thread(target=self._run, args=(loop, context))
            self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        # The loop is closed when the program ends; nothing is left to be told then.
        with contextlib.suppress(RuntimeError):
            while not _program_ended(INTERVAL) and not loop.is_closed():
                for namespace, watched in list(self._images.items()):
                    for resource, text in self._news(namespace, watched):
                        loop.call_soon_threadsafe(_tell, text, resource, context=context)

    def _news(self, namespace: str, watched: list[_Watched]) -> list[tuple[pulumi.Resource, str]]:
        try:
            builds = self.cluster.builds(namespace, only_running=True)
        except (ApiException, HTTPError):
            return []
        states = {(build.part_of, build.image): build for build in builds}
        news = []
        for image in list(watched):
            state = states.get((image.part_of, image.image))
            text = line(state) if state else ""
            if text and text != image.told:
                image.told = text
                news.append((image.resource, text))
        return news


def line(state: BuildState) -> str:
    """Write a running build's state in a line, such as `building: RUN make`."""
    attempt = f" (attempt {state.attempts})" if state.attempts > 1 else ""
    return f"{state.state.value}{attempt}{f': {state.step}' if state.step else ''}"


@cache
def watch(access: Access) -> Watch:
    """Give the one watch over a cluster, shared by all images of a program."""
    return Watch(cluster(access))


def _program_ended(within: float) -> bool:
    threading.main_thread().join(within)
    return not threading.main_thread().is_alive()


def _tell(text: str, resource: pulumi.Resource) -> None:
    pulumi.log.info(text, resource=resource, ephemeral=True)
