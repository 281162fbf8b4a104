"""A process that stands apart and ends whatever is left of a process group once its leader is gone.

A leader that is killed cannot end its group itself, and nobody can be sure to be there to do it:
the guard lives until the process that posted it is gone, and ends all groups with it.
"""

import os
import selectors
import signal
import socket
from contextlib import suppress
from typing import NoReturn


class Guard:
    """Posted in a session of its own, which none of the groups can reach. It ends with us."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._ours.close()
            _stand(theirs)
        theirs.close()

    def watch(self, leader: int) -> None:
        """End the group of this child, which may not have been reaped yet, when the child is gone.

        Raises OSError when the guard itself is gone.
        """
        pidfd = os.pidfd_open(leader)
        try:
            socket.send_fds(self._ours, [str(leader).encode()], [pidfd])
        finally:
            os.close(pidfd)


def _stand(orders: socket.socket) -> NoReturn:
    """Wait for the end of leaders, by their pidfds, and for the end of `orders`."""
    os.setsid()
    groups: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd in groups:
                    selector.unregister(key.fd)
                    _end(groups.pop(key.fd))
                    os.close(key.fd)
                    continue
                told, pidfds, _, _ = socket.recv_fds(orders, 32, 1)
                if not told:
                    for group in groups.values():
                        _end(group)
                    os._exit(0)
                (pidfd,) = pidfds
                groups[pidfd] = int(told)
                selector.register(pidfd, selectors.EVENT_READ)


def _end(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
