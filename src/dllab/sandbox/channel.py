"""One request and its reply over non-blocking pipes, with a deadline and a draining log."""

import os
import selectors
from contextlib import suppress
from typing import IO, Literal

from dllab.errors import legible
from dllab.sandbox.deadline import Deadline
from dllab.sandbox.job import Child
from dllab.sandbox.limits import Limits
from dllab.sandbox.wire import Decoder, Frame, TooLargeError, WireError

LossKind = Literal["died", "timeout", "output", "protocol"]
CHUNK = 1 << 20
LOOK_S = 0.5  # how often to see whether the worker is gone while a child of it holds the pipes


class WorkerLostError(Exception):
    """The worker is of no more use: it died, hangs, or talks nonsense."""

    def __init__(self, kind: LossKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Channel:
    """The grader's end of a child's pipes."""

    def __init__(self, child: Child, limits: Limits) -> None:
        self._child = child
        self._limits = limits
        self._log = bytearray()
        for pipe in (child.requests, child.replies, child.log):
            os.set_blocking(pipe.fileno(), False)

    @property
    def log(self) -> str:
        """The end of what the child printed."""
        return legible(self._log.decode("utf-8", "replace"), self._limits.log_bytes)

    def exchange(self, request: Frame, deadline: Deadline) -> Frame:
        """Send a request and wait for its reply.

        Raises WorkerLostError: `died`, `timeout`, `output` (announced too many bytes) or
        `protocol`. The log is drained all the while: a child that prints without end cannot block.
        """
        self._require_silence()
        decoder, unsent = Decoder(self._limits.reply_bytes), memoryview(request.encode())
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.requests, selectors.EVENT_WRITE)
            selector.register(self._child.replies, selectors.EVENT_READ)
            selector.register(self._child.log, selectors.EVENT_READ)
            while (left := deadline.left) > 0:
                ready = [key.fileobj for key, _ in selector.select(min(left, LOOK_S))]
                if not ready and self._child.ended:
                    raise self._died()
                if self._child.log in ready and not self._drain():
                    selector.unregister(self._child.log)
                if self._child.requests in ready:
                    unsent = self._send(unsent)
                    if not unsent:
                        selector.unregister(self._child.requests)
                if self._child.replies in ready and (frame := self._receive(decoder)):
                    return frame
        raise WorkerLostError("timeout", f"timed out after {deadline.seconds:.0f} s")

    def _require_silence(self) -> None:
        """Nothing may have been said before it was asked for."""
        with suppress(BlockingIOError):
            if _read(self._child.replies):
                raise WorkerLostError(
                    "protocol", "a reply arrived before its request: was it forged?"
                )

    def _send(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[os.write(self._child.requests.fileno(), unsent[:CHUNK]) :]
        except BrokenPipeError:
            raise self._died() from None

    def _receive(self, decoder: Decoder) -> Frame | None:
        data = _read(self._child.replies)
        if not data:
            raise self._died()
        try:
            return decoder.feed(data)
        except TooLargeError as error:
            raise WorkerLostError("output", f"your code returned {error}") from None
        except WireError as error:
            raise WorkerLostError("protocol", f"the reply could not be read: {error}") from None

    def _drain(self) -> bool:
        """Keep the end of the log; False once nobody holds its other end."""
        data = _read(self._child.log)
        self._log += data
        del self._log[: -self._limits.log_bytes]
        return bool(data)

    def _died(self) -> WorkerLostError:
        with suppress(BlockingIOError):
            while self._drain():
                pass
        return WorkerLostError("died", f"your code ended the process ({self._child.ending})")


def _read(pipe: IO[bytes]) -> bytes:
    return os.read(pipe.fileno(), CHUNK)
