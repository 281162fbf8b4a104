"""Workers forked on request by a process that has imported what they need: both ends of its socket.

The server is started with one end of a socket pair. A request is a JSON object with three pipes,
and means fork; `{"poll": pid}` asks for a fork's exit code. When the socket closes, the server
ends its forks and itself. The client may be used from many threads.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from dllab.errors import InfraError
from dllab.sandbox.job import Child

MESSAGE_BYTES = 1 << 20
Request = dict[str, Any]


class ForkServer:
    """The client. The server starts with the first fork, and anew once if it is lost."""

    def __init__(
        self, module: str, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> None:
        self._command = (sys.executable, "-P", "-s", "-m", module)
        self._arguments, self._environment = arguments, dict(environment)
        self._lock = threading.RLock()
        self._socket: socket.socket | None = None
        self._end: Callable[[], str | None] = lambda: None
        self._said = ""

    def launch(self) -> None:
        """Start the server now, so that it warms up while the caller does something else."""
        with self._lock:
            if self._socket is None:
                self._launch()

    def close(self) -> str:
        """End the server and all its forks. Happens by itself when this object or we end.

        Returns the last line that it wrote: of a traceback, the one that names the error.
        """
        with self._lock:
            self._socket = None
            said = self._end()
            if said is not None:  # the first who closes it learns it
                self._said = said
            return self._said

    def fork(self, request: Request) -> Child:
        """A new worker; InfraError when the server cannot be kept alive."""
        with suppress(OSError, EOFError):
            return self._fork(request)
        try:
            return self._fork(request)
        except (OSError, EOFError) as error:
            raise InfraError(
                f"the warm process ended by itself: {self.close() or error}",
                "is there memory left? try again",
            ) from error

    def ask(self, server: socket.socket, request: Request) -> Request:
        """One question to the server of a fork; OSError or EOFError when that one is gone."""
        with self._lock:
            if self._socket is not server:
                raise EOFError("it was closed")
            server.sendall(json.dumps(request).encode())
            return _receive(server)[0]

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed where the server is ended
        with theirs:
            server = subprocess.Popen(
                (*self._command, str(theirs.fileno()), *self._arguments),
                env=self._environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is not meant for it
            )
        self._socket, self._end = ours, weakref.finalize(self, _end_server, ours, server, log)

    def _fork(self, request: Request) -> Child:
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_log, their_log) = pipes
        theirs = [their_in, their_out, their_log]
        try:
            with self._lock:
                self.launch()
                server = self._socket
                assert server is not None
                try:
                    socket.send_fds(server, [json.dumps(request).encode()], theirs)
                    answer, descriptors = _receive(server)
                except (OSError, EOFError):
                    self.close()
                    raise
        except BaseException:
            for ours in (our_in, our_out, our_log):
                os.close(ours)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        pid = answer["pid"]
        seen = _pid_seen_here(descriptors) if descriptors else pid
        ask = functools.partial(self.ask, server)
        return Child(Forked(ask, pid, seen, (our_in, our_out, our_log)))


def _end_server(connection: socket.socket, server: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    connection.close()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:  # it may still be busy with its imports
        server.kill()
        server.wait()
    with log:
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


class Forked:
    """A fork as a process; its exit code is known to the server alone."""

    def __init__(
        self,
        ask: Callable[[Request], Request],
        inner_pid: int,
        pid: int,
        pipes: tuple[int, int, int],
    ) -> None:
        self._ask, self._inner_pid = ask, inner_pid
        self._code: int | None = None
        self.orphaned = False
        self.pid = pid
        self.stdin: IO[bytes] = os.fdopen(pipes[0], "wb", buffering=0)
        self.stdout: IO[bytes] = os.fdopen(pipes[1], "rb", buffering=0)
        self.stderr: IO[bytes] = os.fdopen(pipes[2], "rb", buffering=0)

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        if self._code is None:
            try:
                self._code = self._ask({"poll": self._inner_pid})["code"]
            except (OSError, EOFError, KeyError):
                self._code, self.orphaned = -signal.SIGKILL, True  # they end with their server
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; TimeoutExpired while it runs on."""
        deadline = time.monotonic() + (10.0 if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout or 10.0)
            time.sleep(0.005)
        return code


def _receive(connection: socket.socket) -> tuple[Request, list[int]]:
    message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 1)
    if not message:
        raise EOFError("it closed its socket")
    return dict(json.loads(message)), descriptors


def _pid_seen_here(descriptors: list[int]) -> int:
    """A server in its own pid namespace sends a pidfd, from which the kernel tells our number."""
    (pidfd,) = descriptors
    try:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines()
    finally:
        os.close(pidfd)
    return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


class ForkedBackend:
    """What all backends share whose workers are forks of one warm process.

    It starts with the context, or with the first worker; leaving the context ends it and them.
    """

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def __enter__(self) -> Self:
        self._server.launch()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


# ------------------------------------------------------------------ the server's end


def answer_forks(
    connection: socket.socket, fork: Callable[[Request, list[int]], int], *, translate: bool = False
) -> None:
    """Call `fork` for each request, which returns the child's pid, until the socket closes.

    With `translate` a pidfd goes along with each pid.
    """
    forks: dict[int, int | None] = {}
    while True:
        message, pipes, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
        if not message:
            break
        request = json.loads(message)
        _reap(forks)
        if "poll" in request:
            code = forks[request["poll"]]
            if code is not None:
                del forks[request["poll"]]  # it is asked for once
            connection.sendall(json.dumps({"code": code}).encode())
            continue
        try:
            pid = fork(request, pipes)
        finally:
            for pipe in pipes:
                os.close(pipe)
        forks[pid] = None
        _answer_pid(connection, pid, translate=translate)
    _end_forks(forks)


def _answer_pid(connection: socket.socket, pid: int, *, translate: bool) -> None:
    message = json.dumps({"pid": pid}).encode()
    if not translate:
        connection.sendall(message)
        return
    pidfd = os.pidfd_open(pid)
    try:
        socket.send_fds(connection, [message], [pidfd])
    finally:
        os.close(pidfd)


def _reap(forks: dict[int, int | None]) -> None:
    for pid in [pid for pid, code in forks.items() if code is None]:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            forks[pid] = os.waitstatus_to_exitcode(status)


def _end_forks(forks: dict[int, int | None]) -> None:
    for pid in [pid for pid, code in forks.items() if code is None]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
