"""Lab 17: search for hyperparameters with a budget, and say honestly what was found.

Work through the TODOs from top to bottom. `pytest labs/lab17_hpo` checks them, `dllab hint 17 TASK`
helps, `dllab train 17` plays your search on tables of real curves, and grades the run.

Shapes stand in the names: N configurations of a table, D hyperparameters, E epochs, K of them at a
time. Numbers are float64, places int64. Accuracy is to be high: more is better everywhere.
"""

import math
from collections.abc import Sequence
from itertools import cycle

import torch
from torch import Generator, Tensor
from torch.distributions import Normal

from labs.lab17_hpo.given import (
    EPOCHS,
    ETA,
    SPACE,
    Desk,
    Dim,
    Report,
    Rungs,
    Search,
    Suggest,
    bandwidth,
    frequency,
)


def scale(dim: Dim, u_N: Tensor) -> Tensor:
    """Values of a hyperparameter for numbers from 0 to 1, float64 [N].

    The numbers are uniform where a configuration is drawn at random.
    """
    # TODO scale: return the values, [N].
    # `linear` goes from the first of dim.values to the last evenly, `log` so that the logarithm
    # does. A `choice` has an equal share of [0, 1] for each of its values; at 1 it is the last.
    raise NotImplementedError("TODO scale: return the values, [N].")


# What a search costs, and how searches compare ---------------------------------------------------


def random_search(unit_ND: Tensor, budget: int, most: int, rng: Generator) -> Search:
    """Train as many configurations as `budget` epochs pay for, each for `most`."""
    # TODO random-search: yield one question, return the best place.
    # Draw different places by rng: budget // most of them, or all N if that is fewer. A search is a
    # generator: `score_K = yield place_K, epochs` asks and is answered.
    raise NotImplementedError("TODO random-search: yield one question, return the best place.")


def incumbent(paid_T: Tensor, score_T: Tensor, budget_B: Tensor) -> Tensor:
    """What a search had to show when it had spent so much, float64 [B].

    Its t-th answer was score_T[t], and came when paid_T[t] epochs had been paid in all.
    """
    # TODO incumbent: return the best score known at each budget, [B].
    # An answer counts from the budget on at which it is paid. Where there is none yet, say 0.
    raise NotImplementedError("TODO incumbent: return the best score known at each budget, [B].")


def expected_best(score_N: Tensor, count: int) -> Tensor:
    """The mean of the best of `count` different ones, over all ways to draw them, float64 [].

    What random search finds on average, without the luck of one run: searches are held against it.
    """
    # TODO expected-best: return the mean of the maximum.
    # Sort. That k others are lower than the best leaves comb(k, count - 1) ways to draw them, of
    # comb(N, count) in all. math.comb is exact, and Python divides large integers exactly.
    raise NotImplementedError("TODO expected-best: return the mean of the maximum.")


# Successive halving -------------------------------------------------------------------------------


def rungs(count: int, first: int, most: int, eta: int) -> Rungs:
    """Plan a race: how many are trained for how many epochs, (number, epochs) by rung."""
    # TODO rungs: return the list of rungs.
    # `count` begin with `first` epochs. From rung to rung an eta-th stays, rounded down but at
    # least one, for eta times as many epochs, `most` at most. The last rung has `most`.
    raise NotImplementedError("TODO rungs: return the list of rungs.")


def cost(plan: Rungs) -> int:
    """How many epochs a race takes in all."""
    # TODO cost: return the number of epochs.
    # Who stays in the race is not trained anew: it goes on from where it was.
    raise NotImplementedError("TODO cost: return the number of epochs.")


def promote(score_K: Tensor, count: int) -> Tensor:
    """Choose who stays in the race, int64 [count]."""
    # TODO promote: return the places of the `count` best, [count].
    # Places are those in score_K, the best comes first, of equal ones the earlier. A training that
    # has burst has nan: it is the worst.
    raise NotImplementedError("TODO promote: return the places of the `count` best, [count].")


def halving(place_K: Tensor, seen_NE: Tensor, first: int, most: int, eta: int) -> Search:
    """Successive halving (Jamieson and Talwalkar, 2016) of configurations of the table."""
    # TODO halving: yield a question a rung, return the winner's place.
    # The first asks for all of place_K, as they stand. Write each answer into seen_NE, which is the
    # memory of the whole search: seen_NE[n, e - 1] is the score of n after e epochs. Promote by the
    # last answer alone. The winner is the best of the last rung.
    raise NotImplementedError("TODO halving: yield a question a rung, return the winner's place.")


def stops(others_ME: Tensor, mine_e: Tensor, warmup: int) -> bool:
    """Say whether a training is to be stopped, after its last epoch so far: the median rule.

    others_ME are curves of others, nan from where they were stopped; mine_e is this one's so far.
    """
    # TODO stops: return True where it is hopeless, else False.
    # It is when its best epoch so far is worse than the median of what the others had after as many
    # epochs, nan left out. Never after `warmup` epochs or fewer, never where no other came so far.
    # Of an even number the median is the mean of both in the middle: torch.quantile has it.
    raise NotImplementedError("TODO stops: return True where it is hopeless, else False.")


# Hyperband ----------------------------------------------------------------------------------------


def brackets(most: int, eta: int) -> Sequence[tuple[int, int]]:
    """Plan Hyperband (Li et al., 2018): races, the boldest first, as (number, first epochs)."""
    # TODO brackets: return the list of brackets.
    # For s = S, …, 1, 0: ⌈(S + 1) · etaˢ / (s + 1)⌉ begin with ⌊most / etaˢ⌋ epochs. S is the
    # largest for which etaˢ ≤ most. Count in integers: math.log(243, 3) is 4.999….
    raise NotImplementedError("TODO brackets: return the list of brackets.")


def hyperband(
    unit_ND: Tensor, budget: int, most: int, plan: Rungs, *, rng: Generator, suggest: Suggest
) -> Search:
    """Race bracket after bracket of a plan, again from the first behind the last.

    `suggest(unit_ND, seen_NE, count, rng)` names configurations that were not tried yet.
    """
    seen_NE = torch.full((len(unit_ND), most), math.nan, dtype=unit_ND.dtype)
    # TODO hyperband: yield all questions, return the winner's place.
    # A bracket that the rest of the budget does not pay for takes part with fewer, as many as it
    # does pay for; likewise where fewer untried ones are left. With none, all is over. eta is ETA.
    # The winner is the best after `most` epochs. `yield from` hands a race's questions on.
    raise NotImplementedError("TODO hyperband: yield all questions, return the winner's place.")


# The tree-structured Parzen estimator -------------------------------------------------------------


def evidence(seen_NE: Tensor, least: int, share: float) -> tuple[Tensor, Tensor]:
    """Places of the good and of the bad among the configurations that were tried, int64 each."""
    # TODO evidence: return good_G and bad_B.
    # Compare like with like: scores after the same number of epochs, the most at which `least` or
    # more have one. Good is the best `share` of these, rounded up; bad is the rest. Both from the
    # best to the worst. Where nobody has enough company, both are empty.
    raise NotImplementedError("TODO evidence: return good_G and bad_B.")


def parzen(known_M: Tensor, at_K: Tensor, width: float) -> Tensor:
    """Estimate the density from M observations in [0, 1], at K points there, float64 [K]."""
    # TODO parzen: return the density at each point, [K].
    # It is the mean of M + 1 densities on [0, 1]: the uniform one, and for each observation a
    # normal one around it with deviation `width`, cut off at 0 and 1 and divided by what is left
    # of it, so that its integral is 1. Normal(mean, deviation) has log_prob and cdf.
    raise NotImplementedError("TODO parzen: return the density at each point, [K].")


def preference(good_GD: Tensor, bad_BD: Tensor, at_KD: Tensor) -> Tensor:
    """Say how much each of K configurations looks like the good ones rather than the bad, [K]."""
    # TODO preference: return log l(x) - log g(x), [K].
    # l is the density of the good, g that of the bad: the product over the hyperparameters of SPACE
    # of one-dimensional ones. That is `parzen`, as wide as `bandwidth` says for so many, or for a
    # "choice" given.frequency(known_M, at_K, how many choices).
    raise NotImplementedError("TODO preference: return log l(x) - log g(x), [K].")


def suggest(
    unit_ND: Tensor,
    seen_NE: Tensor,
    count: int,
    rng: Generator,
    *,
    least: int = 8,
    share: float = 0.25,
) -> Tensor:
    """Name `count` configurations that nobody has tried, int64 [count]."""
    # TODO suggest: return their places, all different.
    # A third, count // 3, is drawn at random from the untried, by rng: no model knows everything.
    # The others come first; they are the untried with the highest preference by the evidence, the
    # highest first. Without evidence all are drawn at random.
    raise NotImplementedError("TODO suggest: return their places, all different.")


def search(unit_ND: Tensor, budget: int, most: int, rng: Generator) -> Search:
    """Search as you are graded: races with the estimator's suggestions (Falkner et al., 2018).

    One bracket, bolder than brackets(9, ETA) has any. Change it as you like.
    """
    plan = [(27, 1)]
    return (yield from hyperband(unit_ND, budget, most, plan, rng=rng, suggest=suggest))


# What you may say of the winner -------------------------------------------------------------------


def report(val_KS: Tensor, test_KS: Tensor) -> Report:
    """Tell what was found: K finalists, each trained from S seeds; the search saw seed 0 alone."""
    # TODO report: return a dict of these five numbers.
    # winner: who is best in validation, of those trainings that the search has seen. Trainings from
    # fresh seeds, 1 and up, know nothing of the choice; score: the winner's mean test accuracy in
    # these. noise: the deviation from seed to seed in test, the root of the variance (divided by
    # S - 1), averaged over the finalists. error: that of `score`, a mean of S - 1 trainings.
    # optimism: by how much the winner's validation accuracy beats its own mean in fresh trainings.
    raise NotImplementedError("TODO report: return a dict of these five numbers.")


# How the scorer asks your search, who keeps the table to itself -----------------------------------

DESK = Desk()


def begin(unit_ND: Tensor, budget: int, most: int, seed: int) -> Tensor:
    """Begin a search: its first question, as given.Desk tells it."""
    return DESK.begin(search(unit_ND, budget, most, torch.Generator().manual_seed(seed)))


def answer(score_K: Tensor) -> Tensor:
    """Hand an answer to the search that has begun: its next question."""
    return DESK.answer(score_K)
