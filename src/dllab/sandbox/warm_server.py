"""The warm process: imports what learner code will want, then forks a worker whenever asked.

    python -P -s -m dllab.sandbox.warm_server FD ROOT FOLDER

FD is its end of a socket, over which `forking` tells what is asked. It ends when that closes.
"""

import ast
import importlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from dllab.lab.code import import_room
from dllab.lab.find import Lab
from dllab.sandbox.forking import Request, answer_forks
from dllab.sandbox.worker import serve


def main() -> None:
    """Import, then fork on request until the socket closes."""
    descriptor, root, folder = sys.argv[1:]
    connection = socket.socket(fileno=int(descriptor))
    preload(Lab(Path(root), Path(folder)))
    answer_forks(connection, partial(fork_worker, connection))


def preload(lab: Lab) -> None:
    """Import all that learner code will import, but none of it. What fails here fails there too."""
    with suppress(Exception):
        for name in _libraries(lab.code.read_bytes()):
            importlib.import_module(name)
    with suppress(Exception):
        import_room(lab)
        importlib.import_module(f"{lab.package}.checks")


def _libraries(source: bytes) -> Iterator[str]:
    for node in ast.parse(source).body:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(name), level=0) if not name.startswith("labs"):
                yield name


def fork_worker(connection: socket.socket, request: Request, pipes: list[int]) -> int:
    """Fork a worker that serves on these pipes; its pid."""
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become_worker(pipes, request)
    return pid


def _become_worker(pipes: list[int], request: Request) -> None:
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


if __name__ == "__main__":
    main()
