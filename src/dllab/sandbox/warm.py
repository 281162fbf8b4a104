"""A worker in milliseconds, for practice: forked from a process that has imported the libraries.

    with Warm(lab) as warm:
        with Session(lab, lab.code, warm, limits) as session: ...   # as often as one likes

The warm process imports torch, what lab.py imports, and the lab's checks, but never learner code:
that runs in a fork of its own, which ends with its session. No wall stands between the two.
This side imports nothing heavy, so that both processes can warm up at once.
"""

import contextlib
import os
import socket
from pathlib import Path

import dllab
from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend, Child, Job, NoWall
from dllab.sandbox.forking import ForkedBackend, ForkServer


def is_possible() -> bool:
    """Whether this platform can fork and hand open files to another process."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds")


def warm_or_cold(lab: Lab) -> "contextlib.AbstractContextManager[Backend]":
    """A warm backend where the platform can, else one that starts every worker from nothing."""
    return Warm(lab) if is_possible() else contextlib.nullcontext(NoWall())


class Warm(ForkedBackend):
    """A backend whose workers are forks of one warm process. Leaving the context ends them all."""

    name = "warm"
    official = False

    def __init__(self, lab: Lab) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(dllab.__file__).parents[1]),
            "PYTHONUNBUFFERED": "1",  # what learner code prints must not wait in a buffer
            "OMP_NUM_THREADS": "1",  # a thread pool would not survive the fork
        }
        arguments = (str(lab.root), str(lab.folder))
        super().__init__(ForkServer("dllab.sandbox.warm_server", arguments, environment))
        self._server.launch()

    def problem(self) -> str:
        """None: whoever made this object has asked `is_possible`."""
        return ""

    def start(self, job: Job) -> Child:
        """Fork a worker. A warm process that was lost, say by lack of memory, is replaced once."""
        return self._server.fork({"environment": dict(job.environment), "folder": str(job.scratch)})
