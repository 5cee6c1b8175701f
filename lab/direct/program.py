"""Running the program the way Pulumi's own language host does, on our monitor."""

import asyncio
import logging
import runpy
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pulumi.runtime
from pulumi.runtime.settings import Settings, configure

from lab.direct.monitor import Monitor
from lab.direct.report import Engine, Report

THREADS = 128
"""Each resource that is waited for holds a thread; asyncio's default would be six on two cores."""


def run_program(
    folder: Path,
    project: str,
    stack: str,
    config: dict[str, str],
    monitor: Monitor,
    report: Report,
    preview: bool,
) -> bool:
    """Run the program to its end, and tell whether it raised nothing.

    Resources that failed are in the report; the program itself does not see them.
    """
    pulumi.runtime.set_all_config(config)
    configure(
        Settings(
            project=project,
            stack=stack,
            monitor=monitor,
            engine=Engine(report),
            dry_run=preview,
            organization="organization",
            root_directory=str(folder),
        )
    )
    # After a failure some of the program's futures are never awaited, which asyncio would report.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=THREADS)
    loop.set_default_executor(executor)

    def program() -> None:
        runpy.run_path(str(folder), run_name="__main__")

    problem = ""
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(program))
    except pulumi.RunError as error:
        problem = str(error)
    except Exception:
        problem = f"the program failed:\n{traceback.format_exc()}"
    except KeyboardInterrupt:
        monitor.interrupt()
        problem = "interrupted"
    finally:
        # Resources whose calls are under way go on to their end, as with the engine.
        executor.shutdown()
        loop.close()
    if problem:
        report.line(f"error: {problem}")
    return not problem
