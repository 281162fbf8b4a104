"""How strong the wall is. A backend starts a job's command behind it and hands back the child."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import psutil

from dllab.errors import LabError
from dllab.sandbox.limits import Limits


@dataclass(frozen=True)
class Job:
    """All that a wall must let through: a command with its environment and the paths it needs.

    `readable` are mounted read-only at their own place, except what lies below `hidden` and is not
    itself named in `readable`. `scratch` is the only place to write, and the working directory.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    scratch: Path
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    limits: Limits


class Child:
    """A started job: three pipes and a process tree."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.requests, self.replies, self.log = cast(
            "tuple[IO[bytes], IO[bytes], IO[bytes]]",
            (process.stdin, process.stdout, process.stderr),
        )

    @property
    def ended(self) -> bool:
        """Whether the worker itself is gone (its children may live on)."""
        return self._process.poll() is not None

    @property
    def ending(self) -> str:
        """How the worker ended, in words."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        if code >= 0:
            return f"exit code {code}"
        return f"killed by {signal.Signals(-code).name}"

    def interrupt(self) -> None:
        """End the worker while another thread waits for its reply, which then finds it gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the whole tree: descendants, the process group, the worker."""
        for descendant in self._descendants():
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self.requests, self.replies, self.log):
            with suppress(BrokenPipeError):
                pipe.close()

    def _descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class Backend(Protocol):
    """One kind of wall. `official` says whether a grade made behind it counts."""

    name: str
    official: bool

    def start(self, job: Job) -> Child:
        """Start the job; InfraError when this machine cannot."""
        ...


class NoWall:
    """A plain child process: another process, not a boundary. Practice only."""

    name = "none"
    official = False

    def start(self, job: Job) -> Child:
        """Start the command in its own session, so that its whole group can be killed."""
        process = subprocess.Popen(
            job.command,
            env=dict(job.environment),
            cwd=job.scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        return Child(process)


BACKENDS: Mapping[str, Backend] = {wall.name: wall for wall in (NoWall(),)}


def find_backend(name: str) -> Backend:
    """The backend of that name; LabError lists them all."""
    if name not in BACKENDS:
        raise LabError(
            f"there is no sandbox backend {name!r}", f"choose one of: {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]
