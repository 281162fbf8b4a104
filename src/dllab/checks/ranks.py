"""Processes that know each other, on this machine: ranks for labs about distributed training.

For example:

    def work(rank):                  # runs in every process, with torch.distributed ready
        t = torch.tensor(float(rank))
        dist.all_reduce(t)
        return {"sum": t}

    run_ranks(3, work)               # [{"sum": 3.}, {"sum": 3.}, {"sum": 3.}]
"""

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from traceback import FrameSummary, extract_tb

import torch
import torch.distributed as dist

from dllab.checks.arrays import Arrays
from dllab.checks.blame import add_frames, missing

RankFunction = Callable[[int], Arrays]


class RankError(RuntimeError):
    """What one rank raised, or what became of it; `missing` is for `checks.blame`."""

    missing = ""


@dataclass(frozen=True)
class _Problem:
    """What a rank sends when it fails; `todo` if that is because nothing is written yet."""

    text: str
    frames: list[FrameSummary] = field(default_factory=list)
    missing: str = ""
    todo: bool = False


def run_ranks(world_size: int, work: RankFunction, seconds: float = 30.0) -> list[Arrays]:
    """What `work(rank)` returns on each of `world_size` processes, in the order of their ranks.

    Processes are forked, so `work` may use anything that is in sight. The first one that fails ends
    all: its NotImplementedError is raised here, anything else as a RankError that names the rank
    and has the frames of its process. A rank that is not done in time raises TimeoutError: most
    likely it waits for another.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, pipes, children = Path(name), [], []
        try:
            for rank in range(world_size):
                receive, send = Pipe(duplex=False)
                children.append(_fork(rank, world_size, work, folder, send))
                send.close()
                pipes.append(receive)
            _wait_for_all(pipes, time.monotonic() + seconds)
            files = [folder / f"{rank}.pt" for rank in range(world_size)]
            return [torch.load(file, weights_only=True) for file in files]
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _fork(rank: int, world_size: int, work: RankFunction, folder: Path, send: Connection) -> int:
    """The id of a new process; in that process this function never returns."""
    with warnings.catch_warnings():  # of other threads: a rank makes do without them
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _rank(rank, world_size, work, folder, send)
        finally:
            os._exit(1)
    return child


def _rank(rank: int, world_size: int, work: RankFunction, folder: Path, send: Connection) -> None:
    """One process: meet the others at a file, work, and say None or what went wrong."""
    torch.set_num_threads(1)  # a forked process must not use the threads of its parent
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # nobody outside is needed
    problem = None
    try:
        store = dist.FileStore(str(folder / "store"), world_size)  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
        torch.save(work(rank), folder / f"{rank}.pt")
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells
        problem = _problem(error)
    send.send(problem)
    time.sleep(3600)  # until all are done: whoever left now would break its neighbours' connections


def _wait_for_all(pipes: list[Connection], deadline: float) -> None:
    """Return when every rank has said None; raise for the first that says anything else."""
    waiting = {pipe: rank for rank, pipe in enumerate(pipes)}
    while waiting:
        ready = wait(list(waiting), max(0.0, deadline - time.monotonic()))
        if not ready:
            late = " and ".join(map(str, waiting.values()))
            raise TimeoutError(f"rank {late} did not finish: does it wait for another rank?")
        for pipe in [pipe for pipe in waiting if pipe in ready]:
            rank = waiting.pop(pipe)
            problem = _said(pipe)
            if problem is None:
                continue
            raise _error(rank, problem)


def _error(rank: int, problem: _Problem) -> Exception:
    if problem.todo:
        return NotImplementedError(problem.text)
    error = RankError(f"rank {rank}: {problem.text}")
    error.missing = problem.missing
    add_frames(error, problem.frames)
    return error


def _problem(error: Exception) -> _Problem:
    frames = list(extract_tb(error.__traceback__))
    if isinstance(error, NotImplementedError):
        return _Problem(str(error), frames, todo=True)
    return _Problem(f"{type(error).__name__}: {error}", frames, missing(error))


def _said(pipe: Connection) -> _Problem | None:
    try:
        problem: _Problem | None = pipe.recv()
    except EOFError:
        return _Problem("it was killed, or ended by itself")
    return problem
