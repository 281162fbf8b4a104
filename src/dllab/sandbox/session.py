"""The grader's side: a session runs requests beside one learner's code, and starts anew when lost.

with Session(lab, run.code, find_backend("none"), Limits.of(lab.spec.budgets)) as session:
    reply = session.probe("checks", "linear_probe", given, seed=1)
    if reply.failure is None:
        judge(given, reply.arrays)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor

from dllab.checks.plays import ArtifactPath, Value
from dllab.errors import InfraError
from dllab.lab.find import Lab
from dllab.sandbox.job import Backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.reach import Reach
from dllab.sandbox.reply import Reply
from dllab.sandbox.room import gpu_devices
from dllab.sandbox.supervisor import Supervisor
from dllab.sandbox.wire import Frame, pack

Plain = str | int | float | bool | None
PRACTICE_S = 10.0  # for one check; all of them take about a second
IMPORT_S = 30.0  # for the import of lab.py, and of all that it imports
ANSWERED_ANEW = ("probe", "cases", "predict", "load")  # whatever the worker held before


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
        self._lab, self._backend, self._limits = lab, backend, limits
        handed_in = artifacts.resolve() if artifacts and artifacts.is_dir() else None
        self._reach = Reach(lab, code.resolve() if code else None, handed_in, released)
        self._supervisor = Supervisor(self._reach, backend, limits)
        self._unusable: Reply | None = None
        self._hidden = False  # whether the present worker may read hidden probes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.close()

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
    def nonce(self) -> str:
        """A number used once, which goes with every request of this session."""
        return self._supervisor.nonce

    @property
    def log(self) -> str:
        """The end of what the present worker has printed so far."""
        return self._supervisor.log

    @property
    def pid(self) -> int:
        """The root of the present worker's process tree, seen from here; 0 for none."""
        return self._supervisor.pid

    def interrupt(self) -> None:
        """From another thread: make the request under way fail at once."""
        self._supervisor.interrupt()

    def open(self) -> Reply:
        """Import the learner's code now; later requests do it when needed."""
        return Reply() if self._supervisor.running else self._start()

    def renew(self) -> None:
        """Forget what the code may remember: the next request goes to a worker that is new."""
        self._supervisor.stop()

    def give_up(self, reply: Reply) -> None:
        """Answer every further request as this one: code that hung once is not waited for again."""
        self._unusable = reply
        self._supervisor.stop()

    def probe(
        self,
        module: str,
        function: str,
        given: Mapping[str, Tensor],
        seed: int,
        grad: Sequence[str] | None = None,
        *,
        hidden: bool = False,
    ) -> Reply:
        """Call a probe of the lab's `checks` or `_author.probes` with the given values.

        `grad` is that of `dllab.checks.probing.call`. What a `hidden` check asks goes to the worker
        of the hidden probes, even where its probe is none: no learner reads what it says.
        """
        header = {"op": "probe", "module": module, "function": function, "seed": seed, "grad": grad}
        most_s = PRACTICE_S if module == "checks" else math.inf  # a hidden one may take its time
        return self._ask(header, pack(given), most_s=most_s, hidden=hidden or module != "checks")

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
            self._supervisor.stop()
        self._hidden = hidden
        seconds = self._within(self._limits.request_s, most_s)
        for first in (True, False):
            if not self._supervisor.running and (started := self._start()).failure:
                return started
            reply = self._supervisor.exchange(Frame(header, blobs), seconds)
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
        self._supervisor.start(probes=self._hidden or not self.official)
        header = {
            "op": "open",
            "practice": not self.official,
            "root": str(self._lab.root),
            "folder": str(self._lab.folder),
            "code": str(self._reach.code or ""),
            "exports": self._lab.spec.exports,
            "artifacts": str(self._reach.artifacts or ""),
            "memory_mb": self._limits.memory_mb,
            "threads": self._limits.threads,
        }
        reply = self._supervisor.exchange(
            Frame(header), self._within(self._limits.start_s, IMPORT_S)
        )
        if reply.failure:
            kind = "import" if reply.failure.kind == "raised" else reply.failure.kind
            self._unusable = replace(reply, failure=replace(reply.failure, kind=kind))
            self._supervisor.stop()
        return self._unusable or reply
