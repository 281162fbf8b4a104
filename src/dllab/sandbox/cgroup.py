"""A worker's processes as a group of the kernel's, with one limit of memory and one of processes.

cgroup v2 counts what the sums of `watch` do not see: buffers of sockets and pipes, and growth
between two looks. It takes a subtree in which the grader may make groups:

    systemd-run --scope -p Delegate=yes dllab grade …       # as a user: with --user

The grader moves into a leaf of its own there, since a group that is divided holds no processes.
Where nothing is delegated, `problem` says why, and `watch` alone counts.
"""

import functools
import itertools
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from dllab.errors import InfraError
from dllab.sandbox.limits import MB, Limits
from dllab.sandbox.watch import tree

CONTROLLERS = {"memory", "pids"}
OF_THE_WALL = 8  # processes of the wall itself
GONE_S = 5.0
_serial = itertools.count()
_lock = threading.Lock()


class Group:
    """One worker's group; `adopt` brings processes in, `close` ends what is left there."""

    def __init__(self, subtree: Path, limits: Limits) -> None:
        """Raises InfraError where the kernel refuses it."""
        self.path = subtree / f"worker-{os.getpid()}-{next(_serial)}"
        most = (limits.memory_mb + 2 * limits.scratch_mb) * MB  # two tmpfs count as well
        try:
            self.path.mkdir()
            self._write("memory.max", most)
            self._write("memory.oom.group", 1)
            self._write("pids.max", limits.processes + OF_THE_WALL)
            with suppress(FileNotFoundError):  # a machine without swap
                self._write("memory.swap.max", 0)
        except OSError as error:
            raise InfraError(
                f"no group for a worker in {subtree}: {error}", "give the grader a scope of its own"
            ) from error

    def adopt(self, pid: int) -> None:
        """Take in a process and all below it; what they start from now on is born here.

        Whoever is here already is left alone: each move makes the kernel wait for all its cores.
        """
        here = set(_members(self.path))
        for one in tree(pid):
            if one in here:
                continue
            with suppress(ProcessLookupError):
                self._write("cgroup.procs", one)

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the kernel has ended the group for its memory."""
        events = (self.path / "memory.events").read_text(encoding="ascii")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"]) > 0

    def close(self) -> None:
        """End all that is left, and remove the group."""
        with suppress(FileNotFoundError):  # kernels before 5.14: the wall has ended them
            self._write("cgroup.kill", 1)
        ends = time.monotonic() + GONE_S
        while time.monotonic() < ends:
            with suppress(OSError):  # until the last one is gone
                self.path.rmdir()
                return
            time.sleep(0.005)

    def _write(self, name: str, value: int) -> None:
        (self.path / name).write_text(str(value), encoding="ascii")


def new_group(limits: Limits) -> Group | None:
    """A group for one worker; None where nothing is delegated to this process."""
    subtree, _ = _delegated()
    return Group(subtree, limits) if subtree else None


def problem() -> str:
    """Why workers have no groups on this machine; empty where they have."""
    return _delegated()[1]


def _delegated() -> tuple[Path | None, str]:
    """The subtree in which this process may make groups, made ready for it; or why there is none.

    The answer stays: a grader that has moved would not find it again.
    """
    with _lock:
        return _make_ready()


@functools.cache
def _make_ready() -> tuple[Path | None, str]:
    own = _own_group()
    if own is None:
        return None, "this machine has no cgroup v2"
    have = set((own / "cgroup.controllers").read_text(encoding="ascii").split())
    if missing := CONTROLLERS - have:
        return None, f"its cgroup {own} has no controller for {' and '.join(sorted(missing))}"
    if not os.access(own / "cgroup.procs", os.W_OK) or not os.access(own, os.W_OK):
        return None, f"its cgroup {own} is not delegated to this user"
    if others := set(_members(own)) - set(tree(os.getpid())):
        return None, f"its cgroup {own} holds other processes too ({len(others)})"
    try:
        _divide(own)
    except OSError as error:
        return None, f"its cgroup {own} cannot be divided: {error.strerror}"
    return own, ""


def _divide(own: Path) -> None:
    """Move into a leaf, then hand the controllers down to groups beside it."""
    leaf = own / "grader"
    leaf.mkdir(exist_ok=True)
    while members := _members(own):  # some may fork meanwhile
        for pid in members:
            with suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(str(pid), encoding="ascii")
    asked = " ".join(f"+{name}" for name in sorted(CONTROLLERS))
    (own / "cgroup.subtree_control").write_text(asked, encoding="ascii")


def _members(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split()]


def _own_group() -> Path | None:
    """The folder of this process's group; None where no cgroup2 is mounted."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    roots = [fields[4] for fields in map(str.split, mounts) if "cgroup2" in fields]
    groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    named = [line.removeprefix("0::") for line in groups if line.startswith("0::")]
    if not roots or not named:
        return None
    own = Path(roots[0]) / named[0].lstrip("/")
    return own if (own / "cgroup.procs").exists() else None
