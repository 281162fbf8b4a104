"""Where a process stands that does not come to an end: asked from outside, whatever it waits for.

A process that may hang calls `answer(file)`. Whoever waits for it calls `ask(pid, file)` and gets
its frames, also where it never leaves a call into C, or an endless loop. What kills it from inside
(a segmentation fault, std::bad_alloc) leaves its frames in the same file.
"""

import faulthandler
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from traceback import FrameSummary
from typing import IO, Any

WHERE, CALLS = "where", "calls"  # names of such files
ANSWER_S = 1.0
COLLECTIVES = (
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "gather",
    "irecv",
    "isend",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "send",
)
_open: list[IO[str]] = []  # faulthandler keeps the number of a file, not the file


def answer(file: Path) -> None:
    """From now on write this process's frames to `file` when asked, or when it crashes."""
    with suppress(OSError, AttributeError):  # a disk that is full; a platform without the signal
        opened = file.open("a", encoding="utf-8")
        _open.append(opened)
        faulthandler.enable(opened)
        faulthandler.register(signal.SIGUSR1, opened)


def ask(pid: int, file: Path) -> list[FrameSummary]:
    """The frames of a process that answers, the innermost last; none when it does not."""
    with suppress(OSError):
        file.write_bytes(b"")
        os.kill(pid, signal.SIGUSR1)
    ends, seen = time.monotonic() + ANSWER_S, b""
    while time.monotonic() < ends:
        time.sleep(0.02)
        now = _bytes(file)
        if now and now == seen:
            break
        seen = now
    return left_in(file)


def left_in(file: Path) -> list[FrameSummary]:
    """The frames in such a file: of the thread that was at work when they were written."""
    told = _bytes(file).decode("utf-8", "replace").rpartition("Current thread")[2]
    told = told.partition("\n\n")[0]
    found = re.findall(r'^  File "(.+)", line (\d+) in (.+)$', told, re.MULTILINE)
    return [FrameSummary(name, int(line), function) for name, line, function in reversed(found)]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def waited_s(pid: int) -> float:
    """How long the main thread of a process has waited for a core.

    Source: the second number of /proc/PID/schedstat, nanoseconds; 0 where the kernel keeps no such
    count.
    """
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
        return int(stat.split()[1]) / 1e9
    return 0.0


def count_calls(file: Path) -> None:
    """Keep in `file` how many collective calls this process has made."""
    import torch.distributed as dist

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    made = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            os.pwrite(descriptor, f"{made}".encode(), 0)
            return function(*arguments, **named)

        return call

    for name in COLLECTIVES:
        setattr(dist, name, counted(getattr(dist, name)))


def calls(file: Path) -> int:
    """How many calls a process has counted there."""
    return int(_bytes(file) or 0)


def waits(frames: Sequence[FrameSummary]) -> bool:
    """Whether a process with these frames waits for another one."""
    if not frames:
        return False
    last = frames[-1]
    inside = ("torch/distributed/", "torch/autograd/graph.py")
    return any(part in last.filename for part in inside) or ".wait(" in (last.line or "")


def described(rank: int, made: int, frames: Sequence[FrameSummary], file: str = "lab.py") -> str:
    """What a rank is at, in words: `frames` are none where it is done."""
    count = f"rank {rank} has made {made} collective call{'s' if made != 1 else ''}"
    own = [frame for frame in frames if Path(frame.filename).name == file]
    if not frames:
        return f"{count} and is done"
    if not own:
        return f"{count} and waits outside of {file}, in {frames[-1].name}"
    verb = "waits at" if waits(frames) else "is at work at"
    return f"{count} and {verb} {file}:{own[-1].lineno} ({own[-1].line})"
