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

from dllab.checks import standing
from dllab.checks.arrays import Arrays
from dllab.checks.blame import add_frames, missing

MOST_LENT = 3  # times the seconds, where the machine is busy
RankFunction = Callable[[int], Arrays]


class RankError(RuntimeError):
    """What one rank raised, or what became of all; `missing` is for `checks.blame`."""

    what = "it raised"
    missing = ""


@dataclass(frozen=True)
class _Problem:
    """What a rank sends when it fails; `todo` if that is because nothing is written yet."""

    text: str
    frames: list[FrameSummary] = field(default_factory=list)
    missing: str = ""
    todo: bool = False


def run_ranks(world_size: int, work: RankFunction, seconds: float = 8.0) -> list[Arrays]:
    """What `work(rank)` returns on each of `world_size` processes, in the order of their ranks.

    Processes are forked, so `work` may use anything that is in sight. The first one that fails ends
    all: its NotImplementedError is raised here, anything else as a RankError that names the rank
    and has the frames of its process. Ranks that are not done in time are a RankError as well: it
    says of each how many collective calls it has made, and where it stands. Time in which they
    had no core does not count.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, pipes, children = Path(name), [], []
        try:
            for rank in range(world_size):
                receive, send = Pipe(duplex=False)
                children.append(_fork(rank, world_size, work, folder, send))
                send.close()
                pipes.append(receive)
            _wait_for_all(pipes, children, folder, seconds)
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
    standing.answer(folder / f"{rank}.{standing.WHERE}")
    standing.count_calls(folder / f"{rank}.{standing.CALLS}")
    problem = None
    try:
        store = dist.FileStore(str(folder / "store"), world_size)  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
        torch.save(work(rank), folder / f"{rank}.pt")
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells
        problem = _problem(error)
    send.send(problem)
    time.sleep(3600)  # until all are done: whoever left now would break its neighbours' connections


def _wait_for_all(
    pipes: list[Connection], children: list[int], folder: Path, seconds: float
) -> None:
    """Return when every rank has said None; raise for the first that says anything else."""
    waiting, begin = {pipe: rank for rank, pipe in enumerate(pipes)}, time.monotonic()
    while waiting:
        spent = time.monotonic() - begin
        lent = min(max(map(standing.waited_s, children)), MOST_LENT * seconds)
        if spent > seconds + lent:
            raise _late(list(waiting.values()), children, folder, seconds)
        for pipe in wait(list(waiting), min(0.5, seconds)):
            rank = waiting.pop(pipe)  # type: ignore[call-overload]
            if problem := _said(pipe):  # type: ignore[arg-type]
                raise _error(rank, problem)


def _late(late: list[int], children: list[int], folder: Path, seconds: float) -> RankError:
    """Where each rank stands; those that are done have no frames to show."""
    frames = {
        rank: standing.ask(children[rank], folder / f"{rank}.{standing.WHERE}") for rank in late
    }
    told = [
        standing.described(
            rank, standing.calls(folder / f"{rank}.{standing.CALLS}"), frames.get(rank, [])
        )
        for rank in range(len(children))
    ]
    error = RankError(f"the ranks are not done after {seconds:.0f} s: {'; '.join(told)}")
    error.what, error.missing = "it hangs", str(error)
    add_frames(error, next(iter(frames.values())))
    return error


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
