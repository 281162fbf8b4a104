"""A worker in milliseconds, for practice: forked from a process that has imported the libraries.

    with Warm(lab) as warm:
        with open_session(lab, lab.code, warm, limits) as session: ...   # as often as one likes

The warm process imports torch, what lab.py imports, and the lab's checks, but never learner code:
that runs in a fork of its own, which ends with its session. No wall stands between the two.
"""

import ast
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import dllab
from dllab.errors import InfraError
from dllab.lab.code import import_room
from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend, Child, Job, NoWall
from dllab.sandbox.worker import serve

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
        command = (sys.executable, "-P", "-s", "-m", __name__, str(theirs.fileno()))
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


# ------------------------------------------------------------------ the warm process itself


def main() -> None:
    """`python -m dllab.sandbox.warm FD ROOT FOLDER`: import, then fork on request until closed."""
    descriptor, root, folder = sys.argv[1:]
    connection = socket.socket(fileno=int(descriptor))
    preload(Lab(Path(root), Path(folder)))
    forks: dict[int, int | None] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
        _reap(forks)
        if not message:
            break
        request = json.loads(message)
        if "poll" in request:
            answer = {"code": forks[request["poll"]]}
        else:
            pid = _fork_worker(connection, descriptors, request)
            forks[pid], answer = None, {"pid": pid}
        connection.sendall(json.dumps(answer).encode())
    for pid in [pid for pid, code in forks.items() if code is None]:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def preload(lab: Lab) -> None:
    """Import all that learner code will import, but none of it. What fails here fails there too."""
    with suppress(Exception):
        for name in _libraries(lab.code.read_text(encoding="utf-8")):
            importlib.import_module(name)
    with suppress(Exception):
        import_room(lab)
        importlib.import_module(f"{lab.package}.checks")


def _libraries(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(name), level=0) if not name.startswith("labs"):
                yield name


def _fork_worker(connection: socket.socket, pipes: list[int], request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become_worker(pipes, request)
    for descriptor in pipes:
        os.close(descriptor)
    return pid


def _become_worker(pipes: list[int], request: dict[str, Any]) -> None:
    """Take on the job's environment, folder and pipes, serve, and end at once."""
    code = 1
    try:
        os.setsid()
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        requests, replies, log = pipes
        os.dup2(log, 1)
        os.dup2(log, 2)
        serve(requests, replies)
        code = 0
    finally:
        os._exit(code)


def _reap(forks: dict[int, int | None]) -> None:
    for pid in [pid for pid, code in forks.items() if code is None]:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            forks[pid] = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
