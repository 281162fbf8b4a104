"""Commands that last: SIGTERM stops them as cleanly as Ctrl-C, and the exit code tells which."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dllab.errors import LabError

INTERRUPTED, TERMINATED = 130, 143  # as a shell tells of SIGINT and SIGTERM


def stoppable(command: Callable[[], int]) -> int:
    """The command's exit code; 130 where Ctrl-C stopped it, 143 where SIGTERM did."""
    with _sigterm_as_ctrl_c() as terminated:
        try:
            return command()
        except KeyboardInterrupt:
            if not terminated.is_set():
                raise
            print("\nstopped", file=sys.stderr)
            return TERMINATED
        except LabError as error:
            if terminated.is_set() and error.exit_code == INTERRUPTED:
                error.exit_code = TERMINATED
            raise


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[threading.Event]:
    """SIGTERM does what Ctrl-C does; the event tells whether it came."""
    came = threading.Event()

    def pass_on(*_: object) -> None:
        came.set()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in a shell's background
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
