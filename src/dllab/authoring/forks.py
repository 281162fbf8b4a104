"""Many short tasks, each in a fork of this process, which has imported all that they need.

A fork costs milliseconds where a fresh interpreter with torch costs seconds. It has a time limit,
a memory limit and a working directory of its own, and whatever it breaks or writes ends with it.
"""

import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Generic, TypeVar

T = TypeVar("T")
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class TaskLimits:
    """What one task may use: seconds on the clock, seconds of one core, MiB of private memory."""

    wall_s: float = 120.0
    cpu_s: int = 30
    memory_mb: int = 4096


@dataclass(frozen=True)
class Done(Generic[T]):
    """A task that ended: its value, or why there is none (`died`, `timeout`); its CPU seconds, as
    far as it lived to tell them.
    """

    key: int
    value: T | None
    failure: str = ""
    cpu_s: float = 0.0


@dataclass
class _Running:
    key: int
    process: ForkProcess
    pipe: Connection
    ends: float
    folder: tempfile.TemporaryDirectory[str]


def run_forked(
    tasks: Iterable[Callable[[], T]], *, jobs: int, limits: TaskLimits = TaskLimits()
) -> Iterator[Done[T]]:
    """Run the tasks, `jobs` at a time; yield each as it ends, `key` being its place in `tasks`."""
    waiting = deque(enumerate(tasks))
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(*waiting.popleft(), limits))
            left = max(0.0, min(task.ends for task in running) - time.monotonic())
            ready = wait([task.pipe for task in running], timeout=left)
            now = time.monotonic()
            for task in [t for t in running if t.pipe in ready or t.ends <= now]:
                running.remove(task)
                yield _finish(task, on_time=task.pipe in ready)
    finally:
        for task in running:
            _finish(task, on_time=False)


def _start(key: int, task: Callable[[], T], limits: TaskLimits) -> _Running:
    ours, theirs = _FORK.Pipe(duplex=False)
    folder = tempfile.TemporaryDirectory(prefix="dllab-fork-", ignore_cleanup_errors=True)
    process = _FORK.Process(target=_run, args=(task, theirs, limits, folder.name), daemon=True)
    process.start()
    theirs.close()
    return _Running(key, process, ours, time.monotonic() + limits.wall_s, folder)


def _run(task: Callable[[], T], pipe: Connection, limits: TaskLimits, folder: str) -> None:
    """The fork's whole life; it leaves without the parent's exit handlers."""
    os.setsid()
    os.chdir(folder)
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    cpu = (limits.cpu_s, limits.cpu_s + 1)
    memory = (limits.memory_mb << 20, limits.memory_mb << 20)
    for name, value in {"CPU": cpu, "DATA": memory, "CORE": (0, 0)}.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), value)
    try:
        pipe.send((task(), sum(os.times()[:4])))
    finally:
        os._exit(0)


def _finish(task: _Running, *, on_time: bool) -> Done[T]:
    """Take the value, then end the task with all that it may have started."""
    value, cpu_s, failure = None, 0.0, "" if on_time else "timeout"
    if on_time:
        try:
            value, cpu_s = task.pipe.recv()
        except EOFError:
            failure = "died"
    assert task.process.pid is not None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(task.process.pid, signal.SIGKILL)
    task.process.kill()
    task.process.join()
    if task.process.exitcode == -signal.SIGXCPU:
        failure = "timeout"
    task.pipe.close()
    task.folder.cleanup()
    return Done(task.key, value, failure, cpu_s)
