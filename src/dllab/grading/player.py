"""The model behind the wall, as a play sees it: an answer is validated before the play has it."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import torch
from torch import Tensor

from dllab.checks import Arrays, validate
from dllab.checks.arrays import RESULT
from dllab.checks.plays import Value
from dllab.checks.probing import Probe
from dllab.grading.items import ItemSource
from dllab.grading.predictions import weights_of
from dllab.grading.rows import Found
from dllab.grading.seeds import derive
from dllab.grading.sitting import Sitting
from dllab.sandbox.limits import Limits
from dllab.sandbox.reply import Failure, Reply
from dllab.sandbox.session import Session


class LostPlayError(Exception):
    """The model failed, or answered what no play can use."""

    def __init__(self, reply: Reply, failure: Failure) -> None:
        super().__init__(failure.message)
        self.reply, self.failure = reply, failure


def load_model(sitting: Sitting, arm: str, seed: int) -> Found | None:
    """Have the session hold the trained model of an arm, if the lab has arms; else say why not."""
    session = sitting.session
    if session.official:  # what the code remembers of other requests is not part of the model
        session.renew()
    if not sitting.lab.spec.arms:
        return None
    weights, model, absent = weights_of(sitting.run, arm)
    if absent:
        return Found(untrained=absent)
    loaded = session.load(weights, model, seed=derive(seed, "load"), device=session.device)
    return Found(failure=loaded.failure, log=loaded.log) if loaded.failure else None


class ModelPlayer:
    """The Player of dllab.checks: asks the model that a session has loaded, or lab.py itself.

    A context manager: leaving it ends what `probe` has started.
    """

    def __init__(self, sitting: Sitting, returns: str, arm: str, seed: int) -> None:
        self._sitting, self._session, self._returns = sitting, sitting.session, returns
        self._arm, self._seed = arm, seed
        self._of: Literal["model", "lab"] = "model" if sitting.lab.spec.arms else "lab"
        self._apart: Session | None = None
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._apart is not None:
            self._apart.__exit__()

    def dismiss(self) -> None:
        """End the model's process: it can be asked no more."""
        self._over = True
        self._session.renew()

    def call(
        self, method: str, *values: Value, returns: str | Mapping[str, str], **named: Value
    ) -> Any:
        """What a method returns, of the declared form; N is the length of the first array."""
        arrays = (v for v in (*values, *named.values()) if isinstance(v, Tensor) and v.dim())
        first = next(arrays, None)
        return self._ask(method, values, named, returns, None if first is None else len(first))

    def sample(self, n: int, seed: int, **conditions: Value) -> Any:
        """Finite samples of the declared form, n of them."""
        return self._ask("sample", (n, seed), conditions, self._returns, n)

    def act(self, observations: Tensor) -> Any:
        """Finite actions of the declared form, one for each observation."""
        return self._ask("act", (observations,), {}, self._returns, len(observations))

    def reset(self, *values: Value) -> None:
        """Begin a new episode."""
        self._reply("reset", values, {}, answers=False)

    def forget(self) -> None:
        """Go on with the same weights in a worker that was asked nothing so far.

        For answers that may depend on nothing but what is asked: a decoder must not know what the
        encoder has seen.
        """
        self._session.renew()
        if (absent := load_model(self._sitting, self._arm, self._seed)) and absent.failure:
            raise LostPlayError(Reply(log=absent.log), absent.failure)

    def probe(
        self, function: Probe, given: Arrays, returns: str | Mapping[str, str]
    ) -> Tensor | Arrays:
        """What the author's function returns beside what was handed in, and no learner code."""
        lab, run = self._sitting.lab, self._sitting.run
        if self._apart is None:
            limits = Limits.of(lab.spec.budgets)
            self._apart = Session(lab, None, self._sitting.backend, limits, artifacts=run.artifacts)
        module = function.__module__.removeprefix(f"{lab.package}.")
        reply = self._apart.probe(module, function.__qualname__, given, seed=0)
        if reply.failure:
            raise LostPlayError(reply, reply.failure)
        return _valid(reply, function.__qualname__, returns, None)

    def _ask(
        self,
        method: str,
        values: tuple[Value, ...],
        named: Mapping[str, Value],
        returns: str | Mapping[str, str],
        n: int | None,
    ) -> Tensor | Arrays:
        return _valid(self._reply(method, values, named), method, returns, n)

    def _reply(
        self,
        method: str,
        values: tuple[Value, ...],
        named: Mapping[str, Value],
        *,
        answers: bool = True,
    ) -> Reply:
        if self._over:
            raise RuntimeError("the labels are open: ask the model before that")
        reply = self._session.call(method, *values, of=self._of, answers=answers, **named)
        if reply.failure:
            raise LostPlayError(reply, reply.failure)
        return reply


def _valid(
    reply: Reply, method: str, returns: str | Mapping[str, str], n: int | None
) -> Tensor | Arrays:
    """What came back, of the declared form; LostPlayError says what else it is."""
    forms = {RESULT: returns} if isinstance(returns, str) else returns
    if n is not None:
        forms = {name: form.replace("[N", f"[{n}", 1) for name, form in forms.items()}
    if wrong := validate(reply.arrays, forms):
        told = f"{method}: {wrong.removeprefix(f'{RESULT}: ')}"
        raise LostPlayError(reply, Failure("raised", told))
    return reply.arrays[RESULT] if isinstance(returns, str) else reply.arrays


class ZeroPlayer(ModelPlayer):
    """A Player that asks nobody: its answers are zeros of the declared form."""

    def dismiss(self) -> None:
        """There is nobody to be sent away."""
        self._over = True

    def reset(self, *values: Value) -> None:
        """It remembers nothing."""

    def forget(self) -> None:
        """It knows nothing."""

    def probe(
        self, function: Probe, given: Arrays, returns: str | Mapping[str, str]
    ) -> Tensor | Arrays:
        """Zeros."""
        return self._ask(function.__qualname__, (), given, returns, None)

    def _ask(
        self,
        method: str,
        values: tuple[Value, ...],
        named: Mapping[str, Value],
        returns: str | Mapping[str, str],
        n: int | None,
    ) -> Tensor | Arrays:
        if self._over:
            raise RuntimeError(f"the labels are open: ask for {method} before that")
        if isinstance(returns, str):
            return _zeros(returns, n)
        return {name: _zeros(form, n) for name, form in returns.items()}


def _zeros(form: str, n: int | None) -> Tensor:
    """Of a form such as `float32 [N, *]`; what it leaves open is one long."""
    dtype, _, dims = form.partition(" ")
    sizes = [dim.strip() for dim in dims.strip("[]").split(",") if dim.strip()]
    shape = [int(size) if size.isdigit() else (n or 1) if size == "N" else 1 for size in sizes]
    return torch.zeros(shape, dtype=getattr(torch, dtype))


class SecretItems:
    """The PlayItems of dllab.checks: its labels are opened when the model is gone."""

    def __init__(self, source: ItemSource, name: str, player: ModelPlayer) -> None:
        self._source, self._name, self._player = source, name, player
        self.inputs = source.inputs(name)

    def labels(self) -> Arrays:
        """The labels."""
        self._player.dismiss()
        return self._source.labels(self._name)
