"""The warm process: imports what learner code will want, then forks a worker whenever asked.

    python -P -s -m dllab.sandbox.warm_server FD ROOT FOLDER

FD is its end of a socket. A request is one JSON object: with three pipes and an environment it
means fork, with `poll` it asks for a fork's exit code. It ends when the socket closes.
"""

import ast
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dllab.lab.code import import_room
from dllab.lab.find import Lab
from dllab.sandbox.warm import MESSAGE_BYTES
from dllab.sandbox.worker import serve


def main() -> None:
    """Import, then fork on request until the socket closes."""
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
