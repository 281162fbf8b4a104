"""What every wall is given, and what it gives back: a job, a child, and the wall's own face."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast, runtime_checkable

import psutil

from dllab.sandbox.limits import Limits


@dataclass(frozen=True)
class Job:
    """All that a wall must let through: a command with its environment and the paths it needs.

    `readable` are mounted read-only at their own place, except what lies below `hidden` and is not
    itself named in `readable`. Imports look through the folders `searched`, of which no more than
    names need be seen. `scratch` is the only place to write, and the working directory.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    scratch: Path
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    searched: tuple[Path, ...]
    limits: Limits


class Process(Protocol):
    """As much of `subprocess.Popen` as a child needs."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where requests go."""
        ...

    @property
    def stdout(self) -> IO[bytes] | None:
        """Where replies come from."""
        ...

    @property
    def stderr(self) -> IO[bytes] | None:
        """What is printed."""
        ...

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; `subprocess.TimeoutExpired` while it runs on."""
        ...


@runtime_checkable
class Fork(Protocol):
    """A process that lives as long as the server which it was forked from."""

    @property
    def orphaned(self) -> bool:
        """Whether that server is gone."""
        ...


class Child:
    """A started job: three pipes and a process tree."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.requests, self.replies, self.log = cast(
            "tuple[IO[bytes], IO[bytes], IO[bytes]]",
            (process.stdin, process.stdout, process.stderr),
        )

    @property
    def pid(self) -> int:
        """The root of the process tree."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the worker itself is gone (its children may live on)."""
        return self._process.poll() is not None

    @property
    def orphaned(self) -> bool:
        """Whether the server that it was forked from is gone, which takes its forks along."""
        return isinstance(self._process, Fork) and self._process.orphaned

    @property
    def ending(self) -> str:
        """How the worker ended, in words."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        if code < 0:
            return f"killed by {_signal_name(-code)}"
        if code > 128:  # what a wall's own process says of a signal inside
            return f"killed by {_signal_name(code - 128)}"
        return f"exit code {code}"

    def interrupt(self) -> None:
        """End the worker while another thread waits for its reply, which then finds it gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the whole tree, and wait until it is gone: descendants, process group, worker."""
        descendants = self.descendants()
        for descendant in descendants:
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(descendants, timeout=5)
        for pipe in (self.requests, self.replies, self.log):
            with suppress(BrokenPipeError):
                pipe.close()

    def descendants(self) -> list[psutil.Process]:
        """Every process below the worker."""
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class Backend(Protocol):
    """One kind of wall. `official` says whether a grade made behind it counts."""

    name: str
    official: bool

    def problem(self) -> str:
        """Why it does not work on this machine; empty when it does."""
        ...

    def start(self, job: Job) -> Child:
        """Start the job; InfraError when this machine cannot."""
        ...


def popen(command: tuple[str, ...], job: Job, *, cwd: Path | None = None) -> Child:
    """Start a command in a session of its own, with three pipes and the job's environment."""
    process = subprocess.Popen(
        command,
        env=dict(job.environment),
        cwd=cwd or job.scratch,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )
    return Child(process)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
