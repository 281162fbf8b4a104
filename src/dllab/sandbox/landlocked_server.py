"""The warm process that workers behind landlock are forked from.

    python -P -s -m dllab.sandbox.landlocked_server FD      # FD: its end of a socket, see forking

It is an ordinary process of the grader's user. No namespace ends what a worker leaves behind, so
another process stands guard over their groups.
"""

import os
import signal
import socket
import sys
from functools import partial

from dllab.sandbox import kernel
from dllab.sandbox.enter import Confinement, confine
from dllab.sandbox.forking import Request, answer_forks
from dllab.sandbox.guard import Guard
from dllab.sandbox.prefork import become_worker, preload


def main() -> None:
    """Post the guard, import, then fork on request until the socket closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    guard = Guard()  # before the imports: it stays small
    preload()
    from dllab.sandbox.unshared import read_in_process

    read_in_process()
    answer_forks(connection, partial(fork_worker, guard))


def fork_worker(guard: Guard, request: Request, pipes: list[int]) -> int:
    """Fork a worker; its pid. It is guarded before anybody can send it learner code."""
    pid = os.fork()
    if pid == 0:
        become_worker(request, pipes, shut_in)
    guard.watch(pid)
    return pid


def shut_in(request: Request) -> None:
    """Lead one's orphans, and give up all rights but those of the request."""
    os.chdir(request["scratch"])
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # an orphan stays in the tree, and counts
    confine(Confinement(**request["confinement"]))
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root after setuid
    kernel.die_with_parent(signal.SIGKILL)


if __name__ == "__main__":
    main()
