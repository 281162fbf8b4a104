"""What never ends in a training: one call of learner code, or ranks that wait for each other."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from linecache import getline
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from dllab.checks import standing
from dllab.checks.blame import add_frames
from dllab.errors import LearnerError
from dllab.lab.code import learner_traceback
from dllab.sandbox.watch import cpu_seconds

LOOK_S = 0.5
CALL_S = 10.0  # one call of learner code that lasts as long is worth a word
STALL_S = 8.0  # ranks that do nothing but wait for as long will not go on
ASLEEP = 0.05  # of a core: less is what a process that waits uses

Say = Callable[[str], None]


def terminal() -> Say:
    """Print where standard error leads now, whatever is redirected later."""
    file = os.fdopen(os.dup(2), "w", encoding="utf-8")
    return lambda text: print(text, file=file, flush=True)


class LongCall(threading.Thread):
    """Says at which line learner code is, where one call of it lasts ten seconds, and on and on.

    It ends nothing: a step may well take that long. A context manager; it watches over the thread
    that enters it.
    """

    def __init__(self, code: Path, say: Say | None = None) -> None:
        super().__init__(name="dllab-long-call", daemon=True)
        self._code, self._watched = str(code), threading.get_ident()
        self._say = say or (lambda text: print(text, file=sys.stderr, flush=True))
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look twice a second."""
        call: FrameType | None = None  # held, so that no later frame is taken for the same
        begin, patience = 0.0, CALL_S
        while not self._over.wait(LOOK_S):
            inner, outer = self._frames()
            if outer is None or outer is not call:
                call, begin, patience = outer, time.monotonic(), CALL_S
            elif inner and (lasted := time.monotonic() - begin) > patience:
                self._say(f"  {_place(inner)} for {lasted:.0f} s in one call; Ctrl-C stops it")
                patience *= 2

    def _frames(self) -> tuple[FrameType | None, FrameType | None]:
        """The innermost and the outermost frame of the learner's file."""
        frames = list(_walk(sys._current_frames().get(self._watched)))  # noqa: SLF001
        own = [frame for frame in frames if frame.f_code.co_filename == self._code]
        return (own[0], own[-1]) if own else (None, None)


def place_in_lab(frame: FrameType | None) -> str:
    """The innermost line of a lab.py in a stack, in words; empty where there is none."""
    own = (one for one in _walk(frame) if one.f_code.co_filename.endswith("/lab.py"))
    return next(map(_place, own), "")


def _walk(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> str:
    code = frame.f_code
    text = getline(code.co_filename, frame.f_lineno).strip()
    return f"at {Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}: {text}"


def answer_as_rank(log: Path) -> None:
    """Let the parent ask this rank where it stands, and how many collective calls it has made."""
    standing.answer(log.with_suffix(f".{standing.WHERE}"))
    standing.count_calls(log.with_suffix(f".{standing.CALLS}"))


class Stall:
    """Finds out that all ranks that still train wait: no call made, no time used, for a while."""

    def __init__(self, code: Path, pids: Mapping[int, int], logs: Mapping[int, Path]) -> None:
        self._code, self._pids, self._logs = code, pids, logs
        self._moved, self._looked = time.monotonic(), time.monotonic()
        self._before: list[tuple[int, float]] = []

    def look(self, training: list[int]) -> LearnerError | None:
        """What to raise; None while one of the ranks that are training may get on."""
        now, state = time.monotonic(), [self._state(rank) for rank in training]
        if self._has_moved(state, now - self._looked):
            self._moved = now
        self._before, self._looked = state, now
        if now - self._moved < STALL_S:
            return None
        self._moved = now
        frames = {
            rank: standing.ask(self._pids[rank], self._file(rank, standing.WHERE))
            for rank in training
        }
        if not all(map(standing.waits, frames.values())):
            return None
        told = "; ".join(
            standing.described(rank, self._calls(rank), frames.get(rank, []), self._code.name)
            for rank in self._pids
        )
        error = RuntimeError("every rank waits for another")
        own = (one for one in frames.values() if any(_is(self._code, f.filename) for f in one))
        add_frames(error, next(own, []))
        return LearnerError(
            f"the training hangs: {told}",
            learner_traceback(error, self._code),
            "every rank must make the same calls, in the same order",
        )

    def _state(self, rank: int) -> tuple[int, float]:
        """Calls made, and seconds of a core that it had or wanted."""
        pid = self._pids[rank]
        return self._calls(rank), cpu_seconds([pid]) + standing.waited_s(pid)

    def _has_moved(self, state: list[tuple[int, float]], seconds: float) -> bool:
        if len(state) != len(self._before):
            return True
        pairs = zip(state, self._before, strict=True)
        return any(
            calls != calls_before or used - used_before > ASLEEP * seconds
            for (calls, used), (calls_before, used_before) in pairs
        )

    def _calls(self, rank: int) -> int:
        return standing.calls(self._file(rank, standing.CALLS))

    def _file(self, rank: int, kind: str) -> Path:
        return self._logs[rank].with_suffix(f".{kind}")


def _is(code: Path, filename: str) -> bool:
    return Path(filename) == code
