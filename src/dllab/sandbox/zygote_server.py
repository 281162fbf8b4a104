"""The warm process that official workers are forked from.

    python -P -s -m dllab.sandbox.zygote_server FD      # FD: its end of a socket, see forking
    python -P -s -m dllab.sandbox.zygote_server trial   # does this kernel allow all that?

It lives in a pid namespace of its own (and, where the grader is not root, a user namespace), so
that nothing it ever started can outlive it.
"""

import os
import signal
import socket
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dllab.sandbox import kernel
from dllab.sandbox.enter import confine
from dllab.sandbox.forking import Request, answer_forks
from dllab.sandbox.prefork import become_worker, preload
from dllab.sandbox.room import furnish
from dllab.sandbox.zygote import decode

APART = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)


def main() -> None:
    """Separate from the grader, import, then fork on request until the socket closes."""
    if sys.argv[1] == "trial":
        trial()
        return
    connection = socket.socket(fileno=int(sys.argv[1]))
    separate()
    preload()
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    answer_forks(connection, partial(fork_worker, home), translate=True)


def separate() -> None:
    """Go on as process 2 of a new pid namespace; process 1 and the one outside only wait.

    Each worker is process 1 of a namespace of its own, so its number differs from that of the
    process that it is forked from. Libraries go by the number to see that they were forked;
    filelock, where it misses it, lets no worker fork from Python 3.12 on.

    Whoever is not root becomes the master of a user namespace, which maps nobody else.
    """
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWPID | (kernel.CLONE_NEWUSER if os.geteuid() else 0))
    if uid:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    for _ in range(2):
        if pid := os.fork():
            _, status = os.waitpid(pid, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        kernel.die_with_parent(signal.SIGKILL)


def fork_worker(home: int, request: Request, pipes: list[int]) -> int:
    """Fork a worker as process 1 of a new pid namespace; its pid as seen here."""
    kernel.unshare(kernel.CLONE_NEWPID)
    try:
        pid = os.fork()
        if pid == 0:
            become_worker(request, pipes, move_in)
    finally:
        kernel.setns(home, kernel.CLONE_NEWPID)
    return pid


def move_in(request: Request) -> None:
    """Go into the room that was asked for, and give up all rights there."""
    room, confinement = decode(request)
    kernel.unshare(APART)
    socket.sethostname("localhost")
    if confinement.sockets:
        kernel.raise_loopback()
    furnish(room, confinement.uid)
    confine(confinement)


def trial() -> None:
    """Go through all steps with an empty room; a traceback and exit code 1 where one is refused."""
    separate()
    with tempfile.TemporaryDirectory() as folder:
        request = _empty_request(Path(folder))
        home = os.open("/proc/self/ns/pid", os.O_RDONLY)
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            _try(request)
        kernel.setns(home, kernel.CLONE_NEWPID)
        _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _try(request: Request) -> NoReturn:
    code = 1
    try:
        move_in(request)
        code = 0
    except OSError:
        traceback.print_exc()
    finally:  # never into the code of the process that it was forked from
        os._exit(code)


def _empty_request(scratch: Path) -> dict[str, Any]:
    from dllab.sandbox.identity import spare_uid
    from dllab.sandbox.job import Job
    from dllab.sandbox.limits import Limits
    from dllab.sandbox.zygote import encode

    return encode(Job((), {}, scratch, (), (), (), Limits()), spare_uid())


if __name__ == "__main__":
    main()
