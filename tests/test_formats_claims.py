"""Claims: told when at odds with themselves, refuted when new runs do not show them."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from scipy.special import stdtrit

from dllab.authoring import rules_formats
from dllab.grading.formats.claims import allowed_distance, audit, check_claim, widest_half
from dllab.grading.formats.sheets import Claim, SheetError
from dllab.lab.formats import Claims

SD = 0.01
CLAIMS = Claims(
    id="findings",
    kind="claims",
    title="Findings",
    points=20,
    measure="accuracy",
    pairs={"norm": (("model.norm=none", "model.norm=layer"),)},
    sd=SD,
    overrides=("trainer.max_epochs=2",),
)
PAIR = CLAIMS.pairs["norm"][0]


def claim(**values: Any) -> Claim:
    """A sound claim for five seeds: half the interval is 2.776 · √2 · sd / √5."""
    half = 2.776 * SD * math.sqrt(2 / 5)
    sound = {
        "arms": PAIR,
        "seeds": (0, 1, 2, 3, 4),
        "difference": 0.1,
        "interval": (0.1 - half, 0.1 + half),
        "verdict": "better",
    }
    return Claim(**{**sound, **values})


@pytest.mark.parametrize("more_is_better", [True, False])
def test_a_sound_claim_is_sound(more_is_better: bool) -> None:
    said = claim(verdict="better" if more_is_better else "worse")
    check_claim(said, PAIR, CLAIMS, more_is_better=more_is_better)
    arms = tuple(f"trainer.max_epochs=2 {arm}" for arm in PAIR)
    check_claim(said.model_copy(update={"arms": arms}), PAIR, CLAIMS, more_is_better=more_is_better)
    spanning = claim(difference=0.001, interval=(-0.014, 0.016), verdict="undecided")
    check_claim(spanning, PAIR, CLAIMS, more_is_better=more_is_better)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"arms": (PAIR[0], PAIR[0])}, "are the same"),
        ({"arms": PAIR[::-1]}, "in this order"),
        ({"arms": ("model.norm=none", "model.norm=batch")}, "your arms are"),
        ({"arms": ("model.norm=none", "model.norm=layer model.lr=1")}, "2 keys, model.norm and"),
        ({"arms": ("model.norm=none", "layer")}, "'layer' is not of the form"),
        ({"seeds": (0, 1, 2, 3)}, "5 different seeds"),
        ({"seeds": (0, 1, 2, 3, 3)}, "5 different seeds"),
        ({"seeds": None}, "to be filled in"),
        ({"difference": 0.2}, "not in the middle of its own interval"),
        ({"difference": 0.002, "interval": (0.001, 0.04)}, "not in the middle of its own"),
        ({"verdict": "worse"}, "means better, not worse"),
        ({"verdict": "undecided"}, "means better, not undecided"),
        ({"verdict": None}, "means better, not None"),
        ({"interval": (-1e300, 1e300), "verdict": "undecided"}, "is wider than"),
        ({"interval": (0.2, 0.1), "difference": 0.15}, "not in the middle of its own interval"),
    ],
)
def test_a_claim_at_odds_with_itself_is_told(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SheetError, match=said):
        check_claim(claim(**values), PAIR, CLAIMS, more_is_better=True)


CHANCE = torch.randn(12_000, 3, generator=torch.Generator().manual_seed(0)).tolist()


@dataclass(frozen=True)
class World:
    """Where runs end by chance: arms share what a seed does to both, and differ beyond that.

    `first` and `second` are the deviations of each arm's own part; `step` is what one item makes.
    """

    effect: float
    first: float = SD
    second: float = SD
    shared: float = 0.0
    step: float = 0.0

    def run_cell(self, override: str, seed: int) -> float:
        both, first, second = CHANCE[seed]
        value = self.shared * both
        value += self.effect + self.second * second if override == PAIR[1] else self.first * first
        return round(value / self.step) * self.step if self.step else value


def measured(world: World, seeds: Sequence[int]) -> Claim:
    """An honest claim: a difference for each seed, their mean and its 95 % interval."""
    found = [world.run_cell(PAIR[1], seed) - world.run_cell(PAIR[0], seed) for seed in seeds]
    mean = statistics.fmean(found)
    half = float(stdtrit(len(found) - 1, 0.975)) * statistics.stdev(found) / math.sqrt(len(found))
    low, high = mean - half, mean + half
    verdict = "undecided" if low <= 0 <= high else "better" if low > 0 else "worse"
    return claim(seeds=tuple(seeds), difference=mean, interval=(low, high), verdict=verdict)


HONEST = {
    "as in lab.yaml": World(0.02),
    "no effect": World(0.0),
    "a large one": World(0.4),
    "arms that share their seeds": World(0.01, 0.02 * SD, 0.02 * SD, SD),
    "a difference that is always the same": World(0.01, 0.0, 0.0, SD),
    "one arm spreads far less": World(-0.1, 0.1 * SD, SD),
    "code that spreads more": World(0.02, 1.4 * SD, 1.4 * SD),
    "few items decide": World(0.0, 0.2 * SD, 0.2 * SD, SD, step=0.8 * SD),
}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("world", HONEST.values(), ids=HONEST)
def test_a_claim_that_was_measured_is_refuted_once_in_a_hundred_grades(
    world: World, n: int
) -> None:
    asked, refuted = replace(CLAIMS, seeds=n), 0
    for grade in range(1000):
        *seeds, new = range(12 * grade, 12 * grade + n + 1)
        said = measured(world, seeds)
        try:
            check_claim(said, PAIR, asked, more_is_better=True)
        except SheetError:
            refuted += 1
            continue
        refuted += not audit(said, PAIR, SD, world.run_cell, new).ok
    assert refuted <= 10


def told(difference: float, half: float) -> Claim:
    low, high = difference - half, difference + half
    verdict = "undecided" if low <= 0 <= high else "better" if low > 0 else "worse"
    return claim(difference=difference, interval=(low, high), verdict=verdict)


WIDEST = 0.99 * widest_half(5, SD)
APART = World(0.12)  # 12 deviations of a run: what pairs of a lab are to differ by
ALIKE = World(0.0, 0.02 * SD, 0.02 * SD, SD)  # nothing but the seed, which both arms share
FALSE = {
    "no effect, widely": (told(0.0, WIDEST), APART),
    "no effect, narrowly": (told(0.0, 0.0), APART),
    "the other way": (told(-0.12, SD), APART),
    "the submitted seeds alone": (told(0.25, WIDEST), APART),
    "an effect where there is none": (told(0.12, SD), ALIKE),
    "an effect as small as can be told, narrowly": (told(1.2 * SD, 0.01 * SD), ALIKE),
}


@pytest.mark.parametrize(("said", "world"), FALSE.values(), ids=FALSE)
def test_what_new_runs_do_not_show_is_refuted(said: Claim, world: World) -> None:
    check_claim(said, PAIR, CLAIMS, more_is_better=True)
    passed = sum(audit(said, PAIR, SD, world.run_cell, seed).ok for seed in range(1000))
    assert passed <= 10


def test_a_wide_interval_buys_less_than_it_seems() -> None:
    by_width = [allowed_distance(5, half, SD) for half in (0.0, SD, 2 * SD, WIDEST, 1e300)]
    assert by_width == sorted(by_width)
    assert by_width[0] == SD
    assert by_width[2] == by_width[-1] < 7 * SD


def compute(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


@pytest.mark.parametrize(("spend", "told"), [(time.sleep, 0), (compute, 1)])
def test_a_run_costs_what_it_computes_and_not_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, spend: Callable[[float], None], told: int
) -> None:
    """A busy machine lets each run wait."""

    def run_cell(_work: object, criterion: Claims, _arm: str, seed: int) -> float:
        spend(2 * criterion.cell_s)
        return SD * seed

    monkeypatch.setattr(rules_formats, "run_cell", run_cell)
    monkeypatch.setattr(rules_formats, "at_work", nullcontext)
    spec = SimpleNamespace(formats={"findings": replace(CLAIMS, cell_s=0.05)})
    faults: list[str] = list(
        rules_formats.claims_hold.find(cast("Any", SimpleNamespace(lab=SimpleNamespace(spec=spec))))
    )
    assert len(faults) == told, faults
    assert all("cell_s is 0.05" in fault for fault in faults)
