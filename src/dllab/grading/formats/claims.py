"""claims: what a learner found by experiment, compared with two runs that nobody could foresee.

A claim says that of two settings, drawn for the learner, one is better than the other, worse, or
that the runs leave it undecided. The scorer looks at what a claim says of itself, then trains both
arms of one claim, chosen by chance, with a seed of its own, and compares the difference.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from dllab.checks import Outcome
from dllab.grading.formats.lots import pick
from dllab.grading.formats.rerun import LostCellError, run_cell
from dllab.grading.formats.sheets import Claim, ClaimsSheet, ClaimVerdict, SheetError, read_sheet
from dllab.grading.formats.work import Work
from dllab.grading.seeds import generator
from dllab.lab.find import Lab
from dllab.lab.formats import Claims

LEVEL = 0.95  # of a claim's interval
WIDE_BY_CHANCE = 0.001  # how often an honest interval comes out wider than is believed
REFUTED_BY_CHANCE = 0.008  # how often two new runs refute a claim that is true
ALLOWANCE = 1.5  # how much more than the reference's a learner's runs may spread
OFF_CENTRE = 0.25  # of half an interval: what rounding and a bootstrap leave

ArmPair = tuple[str, str]
RunCell = Callable[[str, int], float]


def draw_claims(lab: Lab, criterion: Claims, id: str) -> dict[str, ArmPair]:
    """The two arms of each claim, as overrides, that the id of a sheet draws, in their order."""
    drawn = {}
    for name, pairs in criterion.pairs.items():
        key = (lab.id, criterion.id, id, name)
        first, second = pick(pairs, *key)
        drawn[name] = (first, second) if pick((True, False), *key, "order") else (second, first)
    return drawn


def look_over(work: Work, criterion: Claims) -> Outcome:
    """What a sheet's claims say of themselves; nothing is trained."""
    checked = _check(work, criterion)
    if checked.faults:
        return Outcome(0.0, checked.told)
    return Outcome(1.0, "the claims agree with themselves")


def judge(work: Work, criterion: Claims) -> Outcome:
    """The share of sound claims, if one of them, chosen by chance, stands up to two new runs."""
    checked = _check(work, criterion)
    if not checked.sound:
        return Outcome(0.0, checked.told, checked.evidence)
    rng = generator(work.seed, "claims", criterion.id)
    name = sorted(checked.sound)[int(torch.randint(len(checked.sound), (), generator=rng))]
    seed = int(torch.randint(2**31, (), generator=rng))
    try:
        found = audit(
            checked.sound[name],
            checked.drawn[name],
            criterion.sd,
            partial(run_cell, work, criterion),
            seed,
        )
    except LostCellError as error:
        found = Outcome(0.0, str(error))
    share = len(checked.sound) / len(checked.drawn)
    told = "; ".join(part for part in (checked.told, f"{name}: {found.message}") if part)
    return Outcome(found.fraction * share, told, checked.evidence)


@dataclass(frozen=True)
class _Checked:
    draw: str
    drawn: Mapping[str, ArmPair]
    sound: Mapping[str, Claim]
    faults: Mapping[str, str]

    @property
    def told(self) -> str:
        return "; ".join(f"{name}: {fault}" for name, fault in self.faults.items())

    @property
    def evidence(self) -> dict[str, str]:
        return {"draw": self.draw}


def _check(work: Work, criterion: Claims) -> _Checked:
    sheet = read_sheet(work.folder / criterion.sheet, ClaimsSheet)
    drawn = draw_claims(work.lab, criterion, sheet.draw)
    measure = work.lab.spec.measured[criterion.measure]
    sound, faults = {}, {}
    for name, pair in drawn.items():
        claim = sheet.claims.get(name)
        if claim is None:
            faults[name] = "there is no such claim in the sheet"
            continue
        try:
            check_claim(claim, pair, criterion, more_is_better=measure.target > measure.floor)
            sound[name] = claim
        except SheetError as error:
            faults[name] = str(error)
    faults |= {name: "it is not asked for" for name in sheet.claims if name not in drawn}
    return _Checked(sheet.draw, drawn, sound, faults)


def check_claim(claim: Claim, pair: ArmPair, criterion: Claims, *, more_is_better: bool) -> None:
    """Raise SheetError for a claim that is not about the drawn arms, or at odds with itself."""
    _check_arms(claim.arms, pair, criterion)
    if claim.seeds is None or claim.difference is None or claim.interval is None:
        raise SheetError("seeds, difference and interval are to be filled in")
    if len(set(claim.seeds)) != len(claim.seeds) or len(claim.seeds) < criterion.seeds:
        raise SheetError(f"asked are {criterion.seeds} different seeds, not {list(claim.seeds)}")
    low, high = claim.interval
    half = (high - low) / 2
    if not abs(claim.difference - (low + high) / 2) <= OFF_CENTRE * half:
        raise SheetError(
            f"the difference {claim.difference:g} is not in the middle of its own interval, "
            f"from {low:g} to {high:g}: give all three with the same digits"
        )
    if claim.verdict != (right := verdict_of(low, high, more_is_better=more_is_better)):
        raise SheetError(f"an interval from {low:g} to {high:g} means {right}, not {claim.verdict}")
    most = widest_half(len(claim.seeds), criterion.sd)
    if half > most:
        raise SheetError(
            f"± {half:.2g} is wider than a 95 % interval of {len(claim.seeds)} seeds comes out "
            f"here (± {most:.2g} at most)"
        )


def verdict_of(low: float, high: float, *, more_is_better: bool) -> ClaimVerdict:
    """Of the second arm against the first, by the interval of second minus first."""
    if low <= 0 <= high:
        return "undecided"
    return "better" if (low > 0) == more_is_better else "worse"


def audit(claim: Claim, pair: ArmPair, sd: float, run_cell: RunCell, seed: int) -> Outcome:
    """Train both arms with one new seed and compare. `claim` has passed `check_claim`."""
    assert claim.seeds is not None
    assert claim.difference is not None
    assert claim.interval is not None
    half = (claim.interval[1] - claim.interval[0]) / 2
    allowed = allowed_distance(len(claim.seeds), half, sd)
    found = run_cell(pair[1], seed) - run_cell(pair[0], seed)
    told = (
        f"claimed {claim.difference:.4g}, a new seed gives {found:.4g} (± {allowed:.2g} is chance)"
    )
    return Outcome(float(abs(found - claim.difference) <= allowed), told)


def allowed_distance(n: int, half: float, sd: float) -> float:
    """How far the difference of one new seed may lie from the mean of `n`, by chance.

    Half the interval of that mean is t · s / √n, which gives s, the deviation of one difference:
    it may be far below √2 `sd` where arms share their seeds, and no lower bound of it is known.
    The new difference lies around the mean by s · √(1 + 1/n), in units of which its distance has a
    t distribution with n - 1 degrees of freedom. A wide interval buys no more than runs that
    spread by the allowance would show, and a distance below `sd` is not held against a claim, since
    a metric that counts items moves in steps.
    """
    from scipy.special import ndtri, stdtrit

    s = half * math.sqrt(n) / float(stdtrit(n - 1, (1 + LEVEL) / 2))
    by_claim = float(stdtrit(n - 1, 1 - REFUTED_BY_CHANCE / 4)) * s
    at_most = float(ndtri(1 - REFUTED_BY_CHANCE / 4)) * ALLOWANCE * math.sqrt(2) * sd
    return max(sd, min(by_claim, at_most) * math.sqrt(1 + 1 / n))


def widest_half(n: int, sd: float) -> float:
    """Half the widest interval, t · s / √n, that `n` honest seeds give, but for chance.

    s is the sample deviation of the differences, whose own is at most √2 `sd`, reached by arms
    that share nothing, give or take the allowance for code that spreads more than the reference.
    """
    from scipy.special import stdtrit

    usual = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * math.sqrt(2 / n) * sd
    _, most = deviation_bounds(n - 1, 2 * WIDE_BY_CHANCE)
    return usual * most * ALLOWANCE


def deviation_bounds(freedom: int, chance: float) -> tuple[float, float]:
    """Between which multiples of the true deviation a sample's lies, but for that chance.

    f · s² / σ² is chi-square distributed with f degrees of freedom.
    """
    from scipy.special import chdtri

    quantiles = (float(chdtri(freedom, p)) for p in (1 - chance / 2, chance / 2))
    low, high = (math.sqrt(quantile / freedom) for quantile in quantiles)
    return low, high


def _check_arms(arms: ArmPair, pair: ArmPair, criterion: Claims) -> None:
    first, second = (_settings(arm, criterion) for arm in arms)
    differ = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    if not differ:
        raise SheetError("the two arms are the same")
    if len(differ) > 1:
        keys = " and ".join(differ)
        raise SheetError(f"the arms differ in {len(differ)} keys, {keys}: change one at a time")
    if [first, second] != [_settings(arm, criterion) for arm in pair]:
        raise SheetError(f"your arms are {pair[0]} and {pair[1]}, in this order")


def _settings(arm: str, criterion: Claims) -> dict[str, str]:
    """The keys that an arm sets, without those words that belong to both arms."""
    words = [word for word in arm.split() if word not in criterion.overrides]
    if odd := [word for word in words if "=" not in word]:
        raise SheetError(f"{odd[0]!r} is not of the form key=value")
    return dict(word.split("=", 1) for word in words)
