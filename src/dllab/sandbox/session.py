"""The grader's side: a session runs requests beside one learner's code, and starts anew when lost.

with Session(lab, run.code, find_backend("none"), Limits.of(lab.spec.budgets)) as session:
    reply = session.probe("checks", "linear_probe", given, seed=1)
    if reply.failure is None:
        judge(given, reply.arrays)
"""

import math
import os
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor

import dllab
from dllab.checks import standing
from dllab.checks.plays import ArtifactPath, Value
from dllab.errors import InfraError, legible
from dllab.lab.find import Lab
from dllab.sandbox.channel import Channel, WorkerLostError
from dllab.sandbox.datasets import view_of
from dllab.sandbox.deadline import Deadline
from dllab.sandbox.job import Backend, Child, Job
from dllab.sandbox.limits import Limits
from dllab.sandbox.room import driver_environment, gpu_devices
from dllab.sandbox.watch import Watch
from dllab.sandbox.wire import Arrays, Frame, WireError, pack, unpack

Plain = str | int | float | bool | None
FailureKind = Literal["import", "raised", "memory", "died", "timeout", "output", "protocol"]
TRACEBACK_CHARS = 20_000
PRACTICE_S = 10.0  # for one check; all of them take about a second
IMPORT_S = 30.0  # for the import of lab.py, and of all that it imports
ANSWERED_ANEW = ("probe", "cases", "predict", "load")  # whatever the worker held before
WORKER = (sys.executable, "-P", "-s", "-m", "dllab.sandbox.worker")


@dataclass(frozen=True)
class Failure:
    """Why there are no arrays. `traceback` holds the learner's own frames, where there are any."""

    kind: FailureKind
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class Reply:
    """What came back: arrays, or a failure; the time seen from outside; the end of the log."""

    arrays: Arrays = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0
    log: str = ""


class Session:
    """One file of learner code behind a wall. A context manager: leaving it kills the whole tree.

    The worker is started by the first request and serves all that follow. When one request loses
    it (killed, hung, talking nonsense), that request alone fails and the next one starts a new
    worker. Code that cannot be imported is not tried again: every request gets the same failure.
    The requests together may last `limits.total_s`.

    Where a grade counts, hidden probes can be read by workers of their own alone: what a visible
    check says must not quote them.

    Without `code`, none but the author's runs in it, whose probes get None for `lab`. The folder of
    `artifacts` that were handed in can be read there. Data sets are out of its reach, vocabularies
    apart, unless all `released` data is needed for a training: a model may not keep its weights in
    rows that it looks up when it is scored.
    """

    def __init__(
        self,
        lab: Lab,
        code: Path | None,
        backend: Backend,
        limits: Limits,
        *,
        released: bool = False,
        artifacts: Path | None = None,
    ) -> None:
        self.nonce = secrets.token_hex(16)
        self._lab, self._code = lab, code.resolve() if code else None
        beside = self._code.parent / "files" if self._code and lab.spec.learner_files else None
        self._files = beside if beside and beside.is_dir() else None
        self._backend, self._limits, self._released = backend, limits, released
        self._artifacts = artifacts.resolve() if artifacts and artifacts.is_dir() else None
        self._scratch = Path(tempfile.mkdtemp(prefix="dllab-")).resolve()
        self._ends = time.monotonic() + limits.total_s
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._watch: Watch | None = None
        self._unusable: Reply | None = None
        self._serial = 0
        self._hidden = False  # whether the present worker may read hidden probes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def beside(self, code: Path) -> "Session":
        """Another session, around other code of the same lab, behind the same wall."""
        return Session(self._lab, code, self._backend, self._limits)

    @property
    def official(self) -> bool:
        """Whether a grade made behind this wall counts."""
        return self._backend.official

    @property
    def device(self) -> str:
        """Where `predict` computes: the GPU that the lab asked for, where a grade counts."""
        return "cuda" if self._limits.gpu and self.official else "cpu"

    @property
    def log(self) -> str:
        """The end of what the present worker has printed so far."""
        return self._channel.log if self._channel else ""

    @property
    def pid(self) -> int:
        """The root of the present worker's process tree, seen from here; 0 for none."""
        return self._child.pid if self._child else 0

    def interrupt(self) -> None:
        """From another thread: make the request under way fail at once."""
        if (child := self._child) is not None:
            child.interrupt()

    def open(self) -> Reply:
        """Import the learner's code now; later requests do it when needed."""
        return Reply() if self._channel else self._start()

    def renew(self) -> None:
        """Forget what the code may remember: the next request goes to a worker that is new."""
        self._stop()

    def give_up(self, reply: Reply) -> None:
        """Answer every further request as this one: code that hung once is not waited for again."""
        self._unusable = reply
        self._stop()

    def probe(
        self,
        module: str,
        function: str,
        given: Mapping[str, Tensor],
        seed: int,
        grad: Sequence[str] | None = None,
    ) -> Reply:
        """Call a probe of the lab's `checks` or `_author.probes` with the given values.

        `grad` is that of `dllab.checks.probing.call`.
        """
        header = {"op": "probe", "module": module, "function": function, "seed": seed, "grad": grad}
        most_s = PRACTICE_S if module == "checks" else math.inf  # a hidden one may take its time
        return self._ask(header, pack(given), most_s=most_s, hidden=module != "checks")

    def cases(self, function: str) -> Reply:
        """Call a function of the learner's file that returns cases; as `checks.cases.flat` does."""
        return self._ask({"op": "cases", "function": function})

    def swap(self, source: str) -> Reply:
        """Let another file's text be what the next requests call; a new worker forgets it."""
        return self._ask({"op": "swap"}, source.encode())

    def predict(
        self,
        weights: bytes,
        model: Mapping[str, Any],
        items: Mapping[str, Tensor],
        *,
        shared: Sequence[str] = (),
        batch_size: int,
        seed: int = 0,
        device: str = "cpu",
    ) -> Reply:
        """Build `Model(**model)` anew, load the weights strictly, score the items: `scores`.

        What is `shared` by the items is in each batch whole.
        """
        header = {
            "op": "predict",
            "model": dict(model),
            "shared": list(shared),
            "batch_size": batch_size,
            "seed": seed,
            "device": device,
        }
        return self._ask(header, weights, pack(items))

    def retrain(
        self,
        model: Mapping[str, Any],
        data: Mapping[str, Any],
        trainer: Mapping[str, Any],
        seed: int,
    ) -> Reply:
        """Train `Model(**model)` on `Data(**data)` anew; the arrays are the best weights.

        Wants a session that was opened with `released=True` and the limits of a training.
        """
        header = {"op": "retrain", "model": dict(model), "data": dict(data), "seed": seed}
        return self._ask({**header, "trainer": dict(trainer)})

    def load(
        self, weights: bytes, model: Mapping[str, Any], *, seed: int = 0, device: str = "cpu"
    ) -> Reply:
        """Build `Model(**model)` with these weights, and keep it for `call`."""
        header = {"op": "load", "model": dict(model), "seed": seed, "device": device}
        return self._ask(header, weights)

    def artifacts(self, models: Mapping[str, tuple[bytes, Mapping[str, Any]]]) -> Reply:
        """What `make_artifacts` writes for models of these weights and numbers: uint8, by name."""
        header = {
            "op": "artifacts",
            "wanted": {name: one.max_bytes for name, one in self._lab.spec.artifacts.items()},
            "models": {arm: dict(numbers) for arm, (_, numbers) in models.items()},
        }
        return self._ask(header, *(weights for weights, _ in models.values()))

    def call(
        self,
        method: str,
        *values: Value,
        of: Literal["model", "lab"] = "model",
        answers: bool = True,
        **named: Value,
    ) -> Reply:
        """Call a method of the loaded model, or a function of lab.py, with arrays or plain values.

        What it returns: arrays by name, or one array, called `result`. What the model keeps between
        calls is kept. Without `answers` what it returns is left where it is.
        """
        given = {**{str(place): value for place, value in enumerate(values)}, **named}
        arrays = {name: value for name, value in given.items() if isinstance(value, Tensor)}
        header = {
            "op": "call",
            "of": of,
            "method": method,
            "answers": answers,
            "positional": len(values),
            "values": {n: v for n, v in given.items() if isinstance(v, Plain)},
            "artifacts": {n: v.name for n, v in given.items() if isinstance(v, ArtifactPath)},
        }
        return self._ask(header, pack(arrays))

    def _ask(
        self,
        header: dict[str, Any],
        *blobs: bytes,
        most_s: float = math.inf,
        hidden: bool = False,
    ) -> Reply:
        """One request, in a worker that may read hidden probes or in one that may not.

        A worker that somebody killed, and none of our limits, gets a second try, unless the first
        one held what the request needs.
        """
        if self.official and hidden != self._hidden:
            self._stop()
        self._hidden = hidden
        seconds = self._within(self._limits.request_s, most_s)
        for first in (True, False):
            if self._channel is None and (started := self._start()).failure:
                return started
            reply = self._exchange(Frame(header, blobs), seconds)
            if not (first and self._was_killed(reply) and header["op"] in ANSWERED_ANEW):
                break
        return reply

    def _was_killed(self, reply: Reply) -> bool:
        """By SIGKILL: from a kernel short of memory, an operator, or the code itself."""
        failure = reply.failure
        return failure is not None and failure.kind == "died" and "SIGKILL" in failure.message

    def _within(self, seconds: float, most_s: float) -> float:
        """Who practises sits there and waits; an official grade has time."""
        return seconds if self.official else min(seconds, most_s)

    def _start(self) -> Reply:
        if self._unusable:
            return self._unusable
        if self.device == "cuda" and not gpu_devices():
            raise InfraError(
                f"{self._lab.id} asks for a GPU in its sandbox, and this machine has no NVIDIA one",
                "grade it where /dev/nvidia0 is, with a torch for CUDA",
            )
        self._child = self._backend.start(self._job())
        self._channel = Channel(self._child, self._limits)
        if self._backend.official:
            self._watch = Watch(self._child, self._limits, self._scratch)
        header = {
            "op": "open",
            "practice": not self.official,
            "root": str(self._lab.root),
            "folder": str(self._lab.folder),
            "code": str(self._code or ""),
            "exports": self._lab.spec.exports,
            "artifacts": str(self._artifacts or ""),
            "memory_mb": self._limits.memory_mb,
            "threads": self._limits.threads,
        }
        self._greet()
        reply = self._exchange(Frame(header), self._within(self._limits.start_s, IMPORT_S))
        if reply.failure:
            kind = "import" if reply.failure.kind == "raised" else reply.failure.kind
            self._unusable = replace(reply, failure=replace(reply.failure, kind=kind))
            self._stop()
        return self._unusable or reply

    def _greet(self) -> None:
        """See that the worker serves, and may read the lab's own files, before any learner code
        runs: what fails here is our fault.
        """
        own = (self._lab.folder / "checks.py", *self._probes, self._code)
        reads = [str(path) for path in own if path and path.is_file()]
        reply = self._exchange(Frame({"op": "greet", "reads": reads}), self._limits.start_s)
        if reply.failure is None:
            return
        if reply.failure.kind == "raised":
            raise InfraError(
                f"no worker behind {self._backend.name} may read it: {reply.failure.message}",
                "files of a lab must be readable for everybody: chmod -R a+rX",
            )
        last = reply.log.strip().splitlines()[-1:] or ["it printed nothing"]
        raise InfraError(
            f"no worker behind {self._backend.name}: {reply.failure.message}: {last[0]}",
            "dllab doctor --sandbox shows what works on this machine",
        )

    @property
    def _probes(self) -> tuple[Path, ...]:
        """The hidden probes, where the present worker is one for them, or no wall hides them."""
        open_to_it = self._hidden or not self.official
        return (self._lab.folder / "_author" / "probes.py",) if open_to_it else ()

    def _exchange(self, frame: Frame, seconds: float) -> Reply:
        assert self._channel is not None
        channel, begin = self._channel, time.monotonic()
        deadline = Deadline(self.pid, max(0.0, min(seconds, self._ends - begin)))
        self._serial += 1
        echo = {"nonce": self.nonce, "serial": self._serial}
        try:
            answer = channel.exchange(Frame({**frame.header, **echo}, frame.blobs), deadline)
            self._ends += deadline.lent
            arrays, failure = _read_answer(answer, echo)
        except WorkerLostError as lost:
            try:
                arrays, failure = {}, self._blame(lost)
            finally:
                self._stop()
        return Reply(arrays, failure, time.monotonic() - begin, channel.log)

    def _blame(self, lost: WorkerLostError) -> Failure:
        """Which limit took the worker away, where one did."""
        if self._watch and (breach := self._watch.breach):
            return Failure(breach.kind, f"your code {breach.message}")
        if self._child and self._child.orphaned:
            raise InfraError(
                "the warm process was ended from outside, and its workers with it",
                "is there memory left? try again",
            )
        if lost.kind == "died" and "SIGXCPU" in str(lost):
            return Failure("timeout", f"used more than {self._limits.cpu_s:.0f} s of CPU time")
        if self.official:
            return Failure(lost.kind, str(lost))
        return self._locate(lost)

    def _locate(self, lost: WorkerLostError) -> Failure:
        """The line of learner code at which a worker hangs, or was when it died."""
        file = self._scratch / standing.WHERE
        hangs = lost.kind == "timeout"
        frames = standing.ask(self.pid, file) if hangs else standing.left_in(file)
        own = [frame for frame in frames if self._code and Path(frame.filename) == self._code]
        if not own:
            return Failure(lost.kind, str(lost))
        last = own[-1]
        place = f"{Path(last.filename).name}:{last.lineno}, in {last.name}"
        shown = ["Traceback (most recent call last):\n", *traceback.format_list(own)]
        told = f"{lost}, at {place}" + (f": {last.line}" if last.line else "")
        return Failure(lost.kind, told, f"{''.join(shown)}{lost}")

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        if self._child is not None:
            self._child.kill()
        self._child = self._channel = self._watch = None
        for left in self._scratch.iterdir():  # a worker is told nothing by the one before it
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()

    def _job(self) -> Job:
        labs, source = self._lab.folder.parent, Path(dllab.__file__).parents[1]
        author = self._lab.folder / "_author"
        data = view_of(self._lab.root, released=self._released)
        return Job(
            command=WORKER,
            environment=_environment(
                self._scratch, source, self._lab.root, data.labs, self._limits
            ),
            scratch=self._scratch,
            readable=(
                Path(sys.prefix),
                Path(sys.base_prefix),
                source / "dllab",
                self._lab.folder,
                *self._probes,
                self._lab.root / "pyproject.toml",
                *data.readable,
                *(path for path in (self._code, self._files, self._artifacts) if path),
            ),
            # behind a link as well: what is readable is so at its real place too
            hidden=tuple(
                dict.fromkeys(p for path in (author, *data.hidden) for p in (path, path.resolve()))
            ),
            searched=(source, labs, *data.searched),
            limits=self._limits,
        )


def _environment(
    scratch: Path, source: Path, root: Path, labs: str, limits: Limits
) -> dict[str, str]:
    """Nothing of the grader's own environment but the language: no tokens, no proxies, no paths."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DLLAB_ROOT": str(root),
        "DLLAB_LABS": labs,
        "OMP_NUM_THREADS": str(limits.threads),
        "MKL_NUM_THREADS": str(limits.threads),
        **(driver_environment() if limits.gpu else {}),
    }


def _read_answer(answer: Frame, echo: dict[str, Any]) -> tuple[Arrays, Failure | None]:
    """The arrays or the failure of a reply; WorkerLostError when it answers another request."""
    header = answer.header
    if any(header.get(key) != value for key, value in echo.items()):
        raise WorkerLostError("protocol", "a reply to another request arrived: was it forged?")
    if "failure" in header:
        return {}, _read_failure(header["failure"])
    try:
        (blob,) = answer.blobs
        return unpack(blob), None
    except (ValueError, WireError) as error:
        raise WorkerLostError("protocol", f"the reply could not be read: {error}") from None


def _read_failure(raw: object) -> Failure:
    match raw:
        case {"kind": "raised" | "memory" as kind, "message": str(text), "traceback": str(trace)}:
            return Failure(kind, legible(text), legible(trace, TRACEBACK_CHARS))
    raise WorkerLostError("protocol", "a failure of no known kind arrived")
