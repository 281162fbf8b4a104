"""Scores of every arm's model on the scorer's items, and the proof that each item stands alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dllab.checks import validate
from dllab.grading.independence import (
    TOLERANCE,
    company,
    difference,
    drown,
    groups,
    spread,
)
from dllab.grading.inputs import chosen, shuffle
from dllab.grading.items import Arrays
from dllab.grading.seeds import derive, generator
from dllab.grading.sitting import Sitting
from dllab.lab.inference import BATCH_SIZE
from dllab.lab.layout import Layout
from dllab.lab.scoring import form_of, scored_arms, scores_classes
from dllab.rundir.run import RunFolder
from dllab.sandbox.reply import Failure, Reply
from dllab.sandbox.session import Session

AGAIN_BATCH_SIZE = 19
RANDOM = "scores of an item change from call to call: dropout in train mode, or an augmentation?"
NEIGHBOURS = (
    "scores of an item change with its neighbours: batch norm in train mode, or values behind "
    "`lengths` read as data?"
)
ORDER = (
    "scores of an item change with the order of the items: does a position stand in for an item?"
)


@dataclass(frozen=True)
class Prediction:
    """`scores` `[N, …]` in the order of the data set, or why there are none.

    `absent`: the arm was not trained. `failure`: the model could not be scored. `leak`: an item's
    scores change with its neighbours, so they prove nothing; `differs` says by how much, in units
    of their spread.
    """

    scores: Tensor | None = None
    absent: str = ""
    failure: Failure | None = None
    leak: str = ""
    differs: float = 0.0
    log: str = ""


@dataclass(frozen=True)
class Scorer:
    """Hands a model's items to the sandbox, each time in another secret order.

    `form` is what must come back, `dtype [N, …]`: scores of `classes`, or other numbers.
    """

    session: Session
    weights: bytes
    model: Mapping[str, Any]
    inputs: Arrays
    layout: Layout
    form: str
    seed: int
    classes: bool = True
    independent: bool = True

    @property
    def count(self) -> int:
        """How many items there are."""
        return self.layout.count(self.inputs)

    def score(
        self, items: Tensor, label: str, *, batch_size: int = BATCH_SIZE, chance: str = ""
    ) -> Tensor | Reply:
        """Scores of the items with these indices; the reply with its failure where there are none.

        `label` decides on the order, `chance` on the model's random numbers as well.
        """
        some = chosen(self.inputs, self.layout, items)
        hidden = shuffle(some, self.layout, generator(self.seed, "order", label))
        reply = self.session.predict(
            self.weights,
            self.model,
            hidden.inputs,
            shared=self.layout.shared,
            batch_size=batch_size if self.independent else len(items),
            seed=derive(self.seed, "predict", label, chance),
            device=self.session.device,
        )
        if reply.failure:
            return reply
        form = self.form.replace("[N", f"[{len(items)}", 1)
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
    """What every scored arm's weights predict, by arm; no label is read.

    Where the grade counts, the first group of items goes to the present worker, which may have seen
    visible checks and nothing hidden; the other groups go to workers that are new, and so do those
    that are scored again: what a worker remembers of other items could be an answer. No request
    that follows has a worker that has seen any. Arms on one set share workers and groups.
    """
    lab, session = sitting.lab, sitting.session
    predictions: dict[str, Prediction] = {}
    scorers: dict[str, Scorer] = {}
    for name in scored_arms(lab, official=sitting.whole):
        weights, model, absent = weights_of(sitting.run, name)
        if absent:
            predictions[name] = Prediction(absent=absent)
        else:
            scorers[name] = _scorer(sitting, name, weights, model, derive(seed, "arm", name))
    parts = {name: _parts(sitting, name, scorer, seed) for name, scorer in scorers.items()}
    got: dict[str, list[Tensor | Reply]] = {name: [] for name in scorers}
    for turn in range(max(map(len, parts.values()), default=0)):
        if turn:
            _begin(session)
        for name, scorer in scorers.items():
            if turn < len(parts[name]):
                got[name].append(scorer.score(parts[name][turn], f"group {turn}"))
    _begin(session)
    for name, scorer in scorers.items():
        first = _whole(got[name], parts[name])
        predictions[name] = _unscored(first) if isinstance(first, Reply) else _prove(scorer, first)
    _begin(session)
    return {name: predictions[name] for name in scored_arms(lab, official=sitting.whole)}


def _scorer(
    sitting: Sitting, name: str, weights: bytes, model: Mapping[str, Any], seed: int
) -> Scorer:
    lab, source = sitting.lab, sitting.source
    arm = lab.spec.arms[name]
    layout = source.layout(arm.data)
    form = form_of(lab, arm, layout)
    assert form is not None
    return Scorer(
        sitting.session,
        weights,
        model,
        source.inputs(arm.data),
        layout,
        form,
        seed,
        classes=scores_classes(lab, arm),
        independent=arm.independent,
    )


def _parts(sitting: Sitting, arm: str, scorer: Scorer, seed: int) -> list[Tensor]:
    """The indices of the items that each worker gets: in practice, of all."""
    if not (scorer.independent and sitting.session.official):
        return [torch.arange(scorer.count)]
    return groups(scorer.count, generator(seed, "groups", sitting.lab.spec.arms[arm].data))


def _begin(session: Session) -> None:
    """A worker that knows nothing; in practice there are no secrets, and a start costs time."""
    if session.official:
        session.renew()


def _whole(got: list[Tensor | Reply], parts: list[Tensor]) -> Tensor | Reply:
    """The scores of all groups in the order of the items, or the first reply without."""
    scores = [one for one in got if isinstance(one, Tensor)]
    if len(scores) < len(got):
        return next(one for one in got if isinstance(one, Reply))
    return torch.cat(scores)[torch.cat(parts).argsort()]


def _unscored(reply: Reply) -> Prediction:
    return Prediction(failure=reply.failure, log=reply.log)


def _prove(scorer: Scorer, first: Tensor) -> Prediction:
    """Score some again in another order, batch size, company and padding, and compare.

    What comes back is validated as finite arrays of the declared form before that. Items that are
    not independent are scored all at once, both times: their scores must follow them into the other
    order.
    """
    some = torch.arange(scorer.count)
    if scorer.independent:
        some = company(first, generator(scorer.seed, "alone"))
    again = scorer.score(some, "again", batch_size=AGAIN_BATCH_SIZE)
    if isinstance(again, Reply):
        return _unscored(again)
    scale = spread(first, classes=scorer.classes)
    of_some = scale[some] if len(scale) == len(first) else scale
    differs = difference(first[some], again, of_some)
    if differs > TOLERANCE:
        return Prediction(first, leak=_cause(scorer, some, again, of_some), differs=differs)
    if not scorer.session.official:
        return Prediction(first)
    return Prediction(drown(first, differs, scale, generator(scorer.seed, "noise")))


def _cause(scorer: Scorer, some: Tensor, again: Tensor, scale: Tensor) -> str:
    """Chance, if the same batches have other scores when the random numbers are others."""
    anew = scorer.score(some, "again", batch_size=AGAIN_BATCH_SIZE, chance="anew")
    if isinstance(anew, Tensor) and difference(again, anew, scale) > TOLERANCE:
        return RANDOM
    return NEIGHBOURS if scorer.independent else ORDER
