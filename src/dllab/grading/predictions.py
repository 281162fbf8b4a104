"""Scores of every arm's model on the scorer's items, and the proof that each item stands alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dllab.checks import validate
from dllab.grading.inputs import count, shuffle
from dllab.grading.items import Arrays, ItemSource
from dllab.grading.seeds import derive, generator
from dllab.lab.find import Lab
from dllab.metrics import METRICS
from dllab.rundir.run import RunFolder
from dllab.sandbox.session import Failure, Reply, Session

BATCH_SIZE = 256
ALONE = 48  # items scored a second time, among other neighbours
ALONE_BATCH_SIZE = 7
# A share of the scores' spread: far above rounding in bfloat16 (0.4 %), far below what batch
# statistics or padding do to a score.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Prediction:
    """`scores` float32 `[N, C]` in the order of the data set, or why there are none.

    `absent`: the arm was not trained. `failure`: the model could not be scored. `leak`: an item's
    scores change with its neighbours, so they are no evidence.
    """

    scores: Tensor | None = None
    absent: str = ""
    failure: Failure | None = None
    leak: str = ""
    log: str = ""


@dataclass(frozen=True)
class Scorer:
    """Hands a model's items to the sandbox, each time in another secret order."""

    session: Session
    weights: bytes
    model: Mapping[str, Any]
    seed: int

    def score(self, inputs: Arrays, batch_size: int) -> Tensor | Reply:
        """Scores in the order of `inputs`; the reply, with its failure, where there are none."""
        hidden = shuffle(inputs, generator(self.seed, "order", batch_size))
        reply = self.session.predict(
            self.weights,
            self.model,
            hidden.inputs,
            batch_size=batch_size,
            seed=derive(self.seed, "predict", batch_size),
            device=self.session.device,
        )
        if reply.failure:
            return reply
        if wrong := validate(reply.arrays, {"scores": f"float32 [{count(inputs)}, *]"}):
            return Reply(failure=Failure("raised", f"predict: {wrong}"), log=reply.log)
        return hidden.restore(reply.arrays["scores"])


def scored_arms(lab: Lab) -> list[str]:
    """The arms whose predictions criteria score, in that order."""
    criteria = lab.spec.criteria.values()
    return list(dict.fromkeys(one.arm for one in criteria if one.metric in METRICS))


def weights_of(run: RunFolder, arm: str) -> tuple[bytes, Mapping[str, Any], str]:
    """An arm's weights and the numbers of its model, or why there are none."""
    trained, weights = run.read_config().get("arms", {}), run.arm(arm).weights
    if arm not in trained or not weights.is_file():
        missing = f"the arm {arm} was not trained in this run: leave arm=… out to train all"
        return b"", {}, missing
    return weights.read_bytes(), trained[arm].get("model") or {}, ""


def predict_arms(
    session: Session, lab: Lab, run: RunFolder, source: ItemSource, seed: int
) -> dict[str, Prediction]:
    """What every scored arm's weights predict, by arm; no label is read."""
    predictions = {}
    for arm in scored_arms(lab):
        weights, model, absent = weights_of(run, arm)
        if absent:
            predictions[arm] = Prediction(absent=absent)
            continue
        scorer = Scorer(session, weights, model, derive(seed, "arm", arm))
        predictions[arm] = predict(scorer, source.inputs(lab.spec.arms[arm].data))
    return predictions


def predict(scorer: Scorer, inputs: Arrays) -> Prediction:
    """Score all items, then a few again in another order, batch size, company and padding.

    What comes back is validated as finite float32 `[N, C]` before anyone compares. Where the grade
    counts, the second scoring has a new worker: one that remembers the first could repeat it.
    """
    first = scorer.score(inputs, BATCH_SIZE)
    if isinstance(first, Reply):
        return Prediction(failure=first.failure, log=first.log)
    some = torch.randperm(len(first), generator=generator(scorer.seed, "alone"))[:ALONE]
    few = {name: value[some] for name, value in inputs.items()}
    if scorer.session.official:
        scorer.session.renew()
    second = scorer.score(few, ALONE_BATCH_SIZE)
    if isinstance(second, Reply):
        return Prediction(failure=second.failure, log=second.log)
    return Prediction(first, leak=_leak(first, first[some], second))


def _leak(scores: Tensor, once: Tensor, again: Tensor) -> str:
    """Why the two scorings of the same items differ beyond rounding, or the empty string."""
    if once.shape != again.shape:
        return f"predict gave {once.shape[1]} columns at first and {again.shape[1]} later"
    difference = float((once - again).abs().max())
    allowed = TOLERANCE * float(scores.std()) + 1e-5
    if difference <= allowed:
        return ""
    return (
        f"scores of an item change with its neighbours, by {difference:.3g} where rounding allows "
        f"{allowed:.3g}: batch norm in train mode, or values behind `lengths` read as data?"
    )
