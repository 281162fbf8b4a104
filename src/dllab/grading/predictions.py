"""Scores of every arm's model on the scorer's items, and the proof that each item stands alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dllab.checks import validate
from dllab.grading.inputs import chosen, shuffle
from dllab.grading.items import Arrays
from dllab.grading.seeds import derive, generator
from dllab.grading.sitting import Sitting
from dllab.lab.inference import BATCH_SIZE
from dllab.lab.layout import Layout
from dllab.lab.scoring import form_of, scored_arms
from dllab.rundir.run import RunFolder
from dllab.sandbox.session import Failure, Reply, Session

ALONE = 48  # items scored a second time, among other neighbours
ALONE_BATCH_SIZE = 7
# A share of the scores' spread: far above rounding in bfloat16 (0.4 %), far below what batch
# statistics or padding do to a score.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Prediction:
    """`scores` `[N, …]` in the order of the data set, or why there are none.

    `absent`: the arm was not trained. `failure`: the model could not be scored. `leak`: an item's
    scores change with its neighbours, so they prove nothing.
    """

    scores: Tensor | None = None
    absent: str = ""
    failure: Failure | None = None
    leak: str = ""
    log: str = ""


@dataclass(frozen=True)
class Scorer:
    """Hands a model's items to the sandbox, each time in another secret order.

    `form` is what must come back, `dtype [N, …]`.
    """

    session: Session
    weights: bytes
    model: Mapping[str, Any]
    layout: Layout
    form: str
    seed: int

    def score(self, inputs: Arrays, batch_size: int, label: str) -> Tensor | Reply:
        """Scores in the order of `inputs`; the reply, with its failure, where there are none."""
        hidden = shuffle(inputs, self.layout, generator(self.seed, "order", label))
        reply = self.session.predict(
            self.weights,
            self.model,
            hidden.inputs,
            shared=self.layout.shared,
            batch_size=batch_size,
            seed=derive(self.seed, "predict", label),
            device=self.session.device,
        )
        if reply.failure:
            return reply
        form = self.form.replace("[N", f"[{self.layout.count(inputs)}", 1)
        if wrong := validate({"predict": reply.arrays.get("scores")}, {"predict": form}):
            return Reply(failure=Failure("raised", wrong), log=reply.log)
        return hidden.restore(reply.arrays["scores"])


def weights_of(run: RunFolder, arm: str) -> tuple[bytes, Mapping[str, Any], str]:
    """An arm's weights and the numbers of its model, or why there are none."""
    trained, weights = run.read_config().get("arms", {}), run.arm(arm).weights
    if arm not in trained:
        missing = f"the arm {arm} was not trained in this run: leave arm=… out to train all"
        return b"", {}, missing
    if not weights.is_file():
        resume = f"dllab train {run.lab_number} --resume {run.id}"
        return b"", {}, f"this run stopped before its arm {arm}: {resume} goes on with it"
    return weights.read_bytes(), trained[arm].get("model") or {}, ""


def predict_arms(sitting: Sitting, seed: int) -> dict[str, Prediction]:
    """What every scored arm's weights predict, by arm; no label is read."""
    lab, predictions = sitting.lab, {}
    for name in scored_arms(lab, official=sitting.whole):
        arm = lab.spec.arms[name]
        weights, model, absent = weights_of(sitting.run, name)
        if absent:
            predictions[name] = Prediction(absent=absent)
            continue
        layout = sitting.source.layout(arm.data)
        form = form_of(lab, arm, layout)
        assert form is not None
        scorer = Scorer(sitting.session, weights, model, layout, form, derive(seed, "arm", name))
        inputs = sitting.source.inputs(arm.data)
        predictions[name] = predict(scorer, inputs, independent=arm.independent)
    return predictions


def predict(scorer: Scorer, inputs: Arrays, *, independent: bool = True) -> Prediction:
    """Score all items, then some again in another order, batch size, company and padding.

    What comes back is validated as finite arrays of the declared form before anyone compares. Where
    the grade counts, the second scoring has a new worker: one that remembers the first could repeat
    it. Items that are not independent are scored all at once, both times: their scores must follow
    them into the other order.
    """
    count = scorer.layout.count(inputs)
    first = scorer.score(inputs, BATCH_SIZE if independent else count, "all")
    if isinstance(first, Reply):
        return Prediction(failure=first.failure, log=first.log)
    some = torch.arange(count)
    if independent:
        some = company(first, generator(scorer.seed, "alone"))
    few = chosen(inputs, scorer.layout, some)
    if scorer.session.official:
        scorer.session.renew()
    second = scorer.score(few, ALONE_BATCH_SIZE if independent else count, "again")
    if isinstance(second, Reply):
        return Prediction(failure=second.failure, log=second.log)
    return Prediction(first, leak=_leak(first, first[some], second, independent=independent))


def company(scores: Tensor, rng: torch.Generator) -> Tensor:
    """Which items to score again, int64 [ALONE]: half or more from one end of the scores, others by
    chance; which end and how many is chance too.

    A model that ranks the items it is given against each other, and calls the upper half positive,
    gives these few other scores than before. Were all drawn by chance, it would go unseen in twelve
    grades of a hundred.
    """
    order = torch.randperm(len(scores), generator=rng)
    top = bool(torch.randint(2, (), generator=rng))
    share = int(torch.randint(ALONE // 2, ALONE + 1, (), generator=rng))
    first = scores.reshape(len(scores), -1)[order, 0]
    extreme = order[first.argsort(descending=top, stable=True)[:share]]
    left = order[~torch.isin(order, extreme)].flip(0)  # where scores tie, its front is picked over
    others = left[: ALONE - share]
    return torch.cat([extreme, others])


def _leak(scores: Tensor, once: Tensor, again: Tensor, *, independent: bool) -> str:
    """Why the two scorings of the same items differ beyond rounding, or the empty string."""
    difference = float((once.double() - again.double()).abs().max())
    allowed = TOLERANCE * float(scores.double().std()) + 1e-5
    if difference <= allowed:
        return ""
    cause = (
        "its neighbours" if independent else "the order of the items",
        "batch norm in train mode, or values behind `lengths` read as data?"
        if independent
        else "does a position stand in for an item?",
    )
    return (
        f"scores of an item change with {cause[0]}, by {difference:.3g} where rounding allows "
        f"{allowed:.3g}: {cause[1]}"
    )
