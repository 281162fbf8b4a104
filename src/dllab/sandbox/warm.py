"""A worker in milliseconds, for practice: forked from a process that has imported the libraries.

    with Warm(lab) as warm:
        with open_session(lab, lab.code, warm, limits) as session: ...   # as often as one likes

The warm process imports torch, what lab.py imports, and the lab's checks, but never learner code:
that runs in a fork of its own, which ends with its session. No wall stands between the two.
This side imports nothing heavy, so that both processes can warm up at once.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import dllab
from dllab.errors import InfraError
from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend, Child, Job, NoWall

MESSAGE_BYTES = 1 << 16


def is_possible() -> bool:
    """Whether this platform can fork and hand open files to another process."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds")


def warm_or_cold(lab: Lab) -> "contextlib.AbstractContextManager[Backend]":
    """A warm backend where the platform can, else one that starts every worker from nothing."""
    return Warm(lab) if is_possible() else contextlib.nullcontext(NoWall())


class Warm:
    """A backend whose workers are forks of one warm process. Leaving the context ends them all."""

    name = "warm"
    official = False

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._server.wait()

    def problem(self) -> str:
        """None: whoever made this object has asked `is_possible`."""
        return ""

    def start(self, job: Job) -> Child:
        """Fork a worker. A warm process that was lost, for want of memory say, is replaced once."""
        try:
            return self._fork(job)
        except (OSError, EOFError):
            self._socket.close()
            self._server.kill()
            self._server.wait()
            self._launch()
        try:
            return self._fork(job)
        except (OSError, EOFError) as error:
            raise InfraError(
                f"the warm process ended by itself ({error})", "is there memory left? try again"
            ) from error

    def _launch(self) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(dllab.__file__).parents[1]),
            "PYTHONUNBUFFERED": "1",  # what learner code prints must not wait in a buffer
            "OMP_NUM_THREADS": "1",  # a thread pool would not survive the fork
        }
        command = (
            sys.executable,
            "-P",
            "-s",
            "-m",
            "dllab.sandbox.warm_server",
            str(theirs.fileno()),
        )
        self._server = subprocess.Popen(
            (*command, str(self._lab.root), str(self._lab.folder)),
            env=environment,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is not meant for it
        )
        theirs.close()

    def _fork(self, job: Job) -> Child:
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_log, their_log) = pipes
        theirs = [their_in, their_out, their_log]
        request = {"environment": dict(job.environment), "folder": str(job.scratch)}
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], theirs)
            pid = int(_receive(self._socket)["pid"])
        except BaseException:
            for ours in (our_in, our_out, our_log):
                os.close(ours)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        forked = _Forked(self._socket, pid, (our_in, our_out, our_log))
        return Child(cast("subprocess.Popen[bytes]", forked))


class _Forked:
    """As much of Popen as Child asks for; the exit code is known to the warm process alone."""

    def __init__(self, server: socket.socket, pid: int, pipes: tuple[int, int, int]) -> None:
        self._server = server
        self.pid = pid
        self.stdin: IO[bytes] = os.fdopen(pipes[0], "wb", buffering=0)
        self.stdout: IO[bytes] = os.fdopen(pipes[1], "rb", buffering=0)
        self.stderr: IO[bytes] = os.fdopen(pipes[2], "rb", buffering=0)

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        try:
            self._server.sendall(json.dumps({"poll": self.pid}).encode())
            code: int | None = _receive(self._server)["code"]
        except (OSError, EOFError):
            return -signal.SIGKILL  # the warm process is gone, and took its forks along
        return code

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code; TimeoutExpired while it runs on."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(0.005)
        return code


def _receive(connection: socket.socket) -> dict[str, Any]:
    message = connection.recv(MESSAGE_BYTES)
    if not message:
        raise EOFError("it closed its socket")
    return dict(json.loads(message))
