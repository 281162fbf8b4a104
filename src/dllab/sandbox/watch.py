"""The grader's eye on a worker's whole tree: it ends a worker that takes too much, and says what.

Limits of the kernel hold for one process, and a process that one of them killed looks like any
other that was killed. So the sums over all processes are watched from outside.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dllab.sandbox.job import Child
from dllab.sandbox.limits import MB, Limits

LOOK_S = 0.1
SCRATCH_EVERY = 5  # looks
INODES = 20_000
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

LimitKind = Literal["memory", "timeout", "output"]


@dataclass(frozen=True)
class Breach:
    """Which limit was passed, and what to tell the learner."""

    kind: LimitKind
    message: str


class Watch(threading.Thread):
    """Watches one worker until it is stopped. `breach` says which limit fired, if one did."""

    def __init__(self, child: Child, limits: Limits, scratch: Path) -> None:
        super().__init__(name="dllab-watch", daemon=True)
        self.breach: Breach | None = None
        self._child, self._limits, self._scratch = child, limits, scratch
        self._over = threading.Event()
        self.start()

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look until stopped; end the worker at the first breach."""
        look = 0
        while not self._over.wait(LOOK_S):
            look += 1
            with suppress(OSError, ValueError):  # processes come and go while one looks
                self.breach = self._look(with_scratch=look % SCRATCH_EVERY == 0)
            if self.breach:
                self._child.interrupt()
                return

    def _look(self, *, with_scratch: bool) -> Breach | None:
        limits, pids = self._limits, list(tree(self._child.pid))
        if cpu_seconds(pids) > limits.cpu_s:
            return Breach("timeout", f"used more than {limits.cpu_s:.0f} s of CPU time")
        if _memory_bytes(pids, limits.memory_mb * MB) > limits.memory_mb * MB:
            return Breach("memory", f"used more than {limits.memory_mb} MB of memory")
        if with_scratch and pids and _is_full(pids[-1], self._scratch, limits.scratch_mb * MB):
            return Breach("output", f"wrote more than {limits.scratch_mb} MB or {INODES} files")
        return None


def tree(pid: int) -> Iterator[int]:
    """A process and all below it, parents first."""
    yield pid
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            children = Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii")
            for child in children.split():
                yield from tree(int(child))


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of these processes and of their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            total += sum(int(word) for word in stat.rpartition(")")[2].split()[11:15])
    return total / _TICKS


def _memory_bytes(pids: list[int], limit: int) -> int:
    """Memory of the whole tree: a cheap upper bound, and the exact sum only beyond the limit."""
    if (bound := sum(map(_resident, pids))) <= limit:
        return bound
    try:
        return sum(map(_proportional, pids))
    except PermissionError:  # a container's root may not look so closely
        return sum(map(_anonymous, pids))


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    """Pages shared with others count for this process's share of them. PermissionError."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _anonymous(pid: int) -> int:
    """Pages of no file; those that a fork has not changed count again for each process."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "RssAnon:", "RssShmem:")


def _kilobytes(table: Path, *names: str) -> int:
    """Bytes in these rows of a table of /proc; 0 once the process is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        rows = [line.split() for line in table.read_text(encoding="utf-8").splitlines()]
        return sum(int(row[1]) * 1024 for row in rows if row[0] in names)
    return 0


def _is_full(pid: int, scratch: Path, limit: int) -> bool:
    """Whether scratch holds too much: a tmpfs is asked, a plain folder is walked."""
    inside = Path(f"/proc/{pid}/root{scratch}")
    with suppress(PermissionError):  # of a container's root, who has no namespaces to mount it in
        if inside.is_mount():
            used = os.statvfs(inside)
            return used.f_files - used.f_ffree > INODES
    files = size = 0
    for folder, _, names in os.walk(scratch):
        files += 1 + len(names)
        if files > INODES:  # before each is asked for its size: on a busy machine that takes long
            return True
        with suppress(OSError):
            size += sum((Path(folder) / name).lstat().st_size for name in names)
        if size > limit:
            return True
    return False
