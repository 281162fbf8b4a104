"""One process for each device: started here, watched here, and never left behind.

The process that the person started trains nothing itself. It waits for its ranks, writes the run
card, and grades in the end. When one rank fails or is killed, the others are ended and its error
becomes the run's; when this process is killed, the ranks end themselves.

The ranks are forked from a server that has imported what they need, once for all: PyTorch and
Lightning take as long to import as some labs take to train. It has not touched a device yet.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dllab.config.schema import Config
from dllab.errors import InfraError, LabError
from dllab.lab.code import Implementation
from dllab.lab.find import Lab
from dllab.rundir.run import ArmFolder
from dllab.training.card import Summary
from dllab.training.machine import STOPPING

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


@dataclass(frozen=True)
class _Rank:
    number: int
    process: BaseProcess
    pipe: "Connection[Any, Any]"
    log: Path


def spread_arm(
    folder: ArmFolder,
    lab: Lab,
    impl: Implementation,
    config: Config,
    *,
    resuming: bool = False,
    watchers: Sequence["Callback"] = (),
) -> Summary:
    """Do what `train_arm` does by one process for each device of this machine.

    Each rank gets a copy of the watchers, made by pickle. Returns rank 0's summary. Raises what the
    first failing rank raised; InfraError, with the rank's last words, when one was killed or failed
    by no fault of the learner.
    """
    print(f"starting {config.trainer.devices} processes; torch is imported first …", flush=True)
    with TemporaryDirectory(prefix="dllab-") as logs, _Ranks() as ranks:
        for number, places in enumerate(_places(config)):
            log = Path(logs) / f"rank{number}.log"
            ranks.start(log, places, (folder, lab, impl, config, resuming, watchers))
        ranks.all_started()
        return _watch(ranks.ranks, impl.path, f"dllab train {lab.number} --resume {folder.run_id}")


class _Ranks:
    """The processes that train. None of them outlives this context, however it is left.

    The first Ctrl-C is passed on to them, and they stop together between two steps; a second one
    ends them at once. A handler takes it from before the first start on, so that none is lost.
    """

    def __init__(self) -> None:
        self.ranks: list[_Rank] = []
        self._complete = False
        self._asked = False

    def __enter__(self) -> Self:
        # The tracker comes first: where it is started, it lets Ctrl-C in again.
        resource_tracker.ensure_running()
        self._handler = signal.signal(signal.SIGINT, self._on_ctrl_c)
        # The ranks inherit the mask, and let Ctrl-C in when they can stop cleanly. In a terminal it
        # reaches all of us at once.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        return self

    def start(self, log: Path, places: dict[str, str], job: tuple[Any, ...]) -> None:
        """Start the rank that `places`, its part of the environment, describes."""
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(["dllab.training.arm"])
        ours, theirs = server.Pipe()
        around = _Around({**os.environ, **places})
        process = server.Process(target=_run_rank, args=(theirs, log, around, job))
        process.start()
        theirs.close()  # so that the pipe ends when the rank does
        self.ranks.append(_Rank(len(self.ranks), process, ours, log))

    def all_started(self) -> None:
        """From here on a Ctrl-C is passed on; so is one that came meanwhile."""
        self._complete = True
        if self._asked:  # another thread was there to take it
            self._pass_on()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _on_ctrl_c(self, *_args: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print(f"\n{STOPPING}", file=sys.stderr, flush=True)
        if self._complete:
            self._pass_on()

    def _pass_on(self) -> None:
        for rank in self.ranks:
            if rank.process.is_alive():
                os.kill(rank.process.pid or 0, signal.SIGINT)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for rank in self.ranks if error is None else []:
                rank.process.join()
        finally:
            for rank in self.ranks:
                rank.process.kill()
                rank.process.join()
            signal.signal(signal.SIGINT, self._handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _places(config: Config) -> Iterator[dict[str, str]]:
    """What each rank's environment says of its place among the others."""
    trainer = config.trainer
    shared = {
        "WORLD_SIZE": str(trainer.devices),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "NODE_RANK": "0",
        # Lightning sets the thread count itself, where this variable does not forbid it.
        "OMP_NUM_THREADS": str(trainer.threads),
    }
    for number in range(trainer.devices):
        yield {**shared, "RANK": str(number), "LOCAL_RANK": str(number)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Around:
    """What a rank would inherit from the process that starts it, and the server does not know."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __getstate__(self) -> tuple[dict[str, str], list[Any]]:
        return self.environment, [DupFd(1), DupFd(2)]

    def __setstate__(self, state: tuple[dict[str, str], list[Any]]) -> None:
        self.environment, self._printing = state

    def enter(self) -> None:
        """In the rank: take over the environment, stdout and stderr."""
        os.environ.clear()
        os.environ.update(self.environment)
        for number, file in enumerate(self._printing, start=1):
            os.dup2(file.detach(), number)


# --- in the rank's process ------------------------------------------------------------------------


def _run_rank(
    pipe: "Connection[Any, Any]", log: Path, around: _Around, job: tuple[Any, ...]
) -> None:
    """Train the arm as one of its ranks, and send back a summary or what went wrong."""
    os.setpgrp()  # Ctrl-C reaches the parent alone, which passes it on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    around.enter()
    from dllab.training.hangs import LongCall, answer_as_rank, terminal

    say, number = terminal(), os.environ["RANK"]
    answer_as_rank(log)
    if number != "0":
        _write_to(log)
    folder, lab, impl, config, resuming, watchers = job
    try:
        from dllab.training.arm import train_arm

        with LongCall(impl.path, lambda text: say(f"  rank {number}:{text[1:]}")):
            pipe.send(train_arm(folder, lab, impl, config, resuming=resuming, watchers=watchers))
    except (LabError, KeyboardInterrupt) as error:
        pipe.send(error)
    except BaseException:  # noqa: BLE001 - it is raised again, by the parent
        number, total = os.environ["RANK"], os.environ["WORLD_SIZE"]
        pipe.send(InfraError(f"{traceback.format_exc()}\nrank {number} of {total} failed"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _write_to(log: Path) -> None:
    """Send all that this process prints to a file: rank 0 speaks for all."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())


# --- in the parent --------------------------------------------------------------------------------


def _watch(ranks: Sequence[_Rank], code: Path, resume: str) -> Summary:
    from dllab.training.hangs import LOOK_S, Stall

    running = {rank.pipe: rank for rank in ranks if not rank.pipe.closed}
    pids = {rank.number: rank.process.pid or 0 for rank in ranks}
    stall = Stall(code, pids, {rank.number: rank.log for rank in ranks})
    summary: Summary = {}
    while running:
        ready = [running.pop(pipe) for pipe in wait(list(running), LOOK_S)]  # type: ignore[call-overload]
        if not ready and (hung := stall.look([rank.number for rank in running.values()])):
            raise hung
        outcomes = [(rank, _outcome(rank, len(ranks), resume)) for rank in ready]
        failures = [outcome for _, outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            # A killed rank takes its peers down: their connections break in the same moment.
            raise next((f for f in failures if isinstance(f, _KilledError)), failures[0])
        summary = next((o for rank, o in outcomes if rank.number == 0), summary)  # type: ignore[misc]
    return summary


class _KilledError(InfraError):
    """A rank ended without a word."""


def _outcome(rank: _Rank, total: int, resume: str) -> Summary | BaseException:
    try:
        outcome: Summary | BaseException = rank.pipe.recv()
    except EOFError:
        rank.process.join()
        return _killed(rank, total, resume)
    finally:
        rank.pipe.close()
    return outcome


def _killed(rank: _Rank, total: int, resume: str) -> _KilledError:
    code = rank.process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    last = rank.log.read_text(encoding="utf-8", errors="replace") if rank.log.is_file() else ""
    return _KilledError(
        f"{last[-4000:]}rank {rank.number} of {total} {how}",
        f"{resume} goes on from the last checkpoint; SIGKILL often means that memory ran out: "
        "then use fewer devices or a smaller data.batch_size",
    )
