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
    # BEGIN SOLUTION scale: return the values, [N].
    # `linear` goes from the first of dim.values to the last evenly, `log` so that the logarithm
    # does. A `choice` has an equal share of [0, 1] for each of its values; at 1 it is the last.
    low, high = dim.values[0], dim.values[-1]
    if dim.scale == "log":
        return low * (high / low) ** u_N
    if dim.scale == "linear":
        return low + (high - low) * u_N
    share_N = (u_N * len(dim.values)).long().clamp(max=len(dim.values) - 1)
    return torch.tensor(dim.values, dtype=u_N.dtype)[share_N]
    # END SOLUTION


# What a search costs, and how searches compare ---------------------------------------------------


def random_search(unit_ND: Tensor, budget: int, most: int, rng: Generator) -> Search:
    """Train as many configurations as `budget` epochs pay for, each for `most`."""
    # BEGIN SOLUTION random-search: yield one question, return the best place.
    # Draw different places by rng: budget // most of them, or all N if that is fewer. A search is a
    # generator: `score_K = yield place_K, epochs` asks and is answered.
    count = min(budget // most, len(unit_ND))
    place_K = torch.randperm(len(unit_ND), generator=rng)[:count]
    score_K = yield place_K, most
    return int(place_K[score_K.argmax()])
    # END SOLUTION


def incumbent(paid_T: Tensor, score_T: Tensor, budget_B: Tensor) -> Tensor:
    """What a search had to show when it had spent so much, float64 [B].

    Its t-th answer was score_T[t], and came when paid_T[t] epochs had been paid in all.
    """
    # BEGIN SOLUTION incumbent: return the best score known at each budget, [B].
    # An answer counts from the budget on at which it is paid. Where there is none yet, say 0.
    known_BT = paid_T <= budget_B[:, None]
    return score_T.where(known_BT, 0.0).amax(1)
    # END SOLUTION


def expected_best(score_N: Tensor, count: int) -> Tensor:
    """The mean of the best of `count` different ones, over all ways to draw them, float64 [].

    What random search finds on average, without the luck of one run: searches are held against it.
    """
    # BEGIN SOLUTION expected-best: return the mean of the maximum.
    # Sort. That k others are lower than the best leaves comb(k, count - 1) ways to draw them, of
    # comb(N, count) in all. math.comb is exact, and Python divides large integers exactly.
    ways = math.comb(len(score_N), count)
    chance = [math.comb(k, count - 1) / ways for k in range(len(score_N))]
    return score_N.sort().values @ torch.tensor(chance, dtype=score_N.dtype)
    # END SOLUTION


# Successive halving -------------------------------------------------------------------------------


def rungs(count: int, first: int, most: int, eta: int) -> Rungs:
    """Plan a race: how many are trained for how many epochs, (number, epochs) by rung."""
    # BEGIN SOLUTION rungs: return the list of rungs.
    # `count` begin with `first` epochs. From rung to rung an eta-th stays, rounded down but at
    # least one, for eta times as many epochs, `most` at most. The last rung has `most`.
    plan = [(count, first)]
    while plan[-1][1] < most:
        number, epochs = plan[-1]
        plan.append((max(1, number // eta), min(most, epochs * eta)))
    return plan
    # END SOLUTION


def cost(plan: Rungs) -> int:
    """How many epochs a race takes in all."""
    # BEGIN SOLUTION cost: return the number of epochs.
    # Who stays in the race is not trained anew: it goes on from where it was.
    before = [0, *(epochs for _, epochs in plan)]
    return sum(n * (epochs - old) for (n, epochs), old in zip(plan, before, strict=False))
    # END SOLUTION


def promote(score_K: Tensor, count: int) -> Tensor:
    """Choose who stays in the race, int64 [count]."""
    # BEGIN SOLUTION promote: return the places of the `count` best, [count].
    # Places are those in score_K, the best comes first, of equal ones the earlier. A training that
    # has burst has nan: it is the worst.
    burst_K = score_K.isnan()
    return score_K.where(~burst_K, -math.inf).argsort(descending=True, stable=True)[:count]
    # END SOLUTION


def halving(place_K: Tensor, seen_NE: Tensor, first: int, most: int, eta: int) -> Search:
    """Successive halving (Jamieson and Talwalkar, 2016) of configurations of the table."""
    # BEGIN SOLUTION halving: yield a question a rung, return the winner's place.
    # The first asks for all of place_K, as they stand. Write each answer into seen_NE, which is the
    # memory of the whole search: seen_NE[n, e - 1] is the score of n after e epochs. Promote by the
    # last answer alone. The winner is the best of the last rung.
    score_K = torch.zeros(len(place_K))
    for number, epochs in rungs(len(place_K), first, most, eta):
        place_K = place_K[promote(score_K, number)]
        score_K = yield place_K, epochs
        seen_NE[place_K, epochs - 1] = score_K
    return int(place_K[promote(score_K, 1)])
    # END SOLUTION


def stops(others_ME: Tensor, mine_e: Tensor, warmup: int) -> bool:
    """Say whether a training is to be stopped, after its last epoch so far: the median rule.

    others_ME are curves of others, nan from where they were stopped; mine_e is this one's so far.
    """
    # BEGIN SOLUTION stops: return True where it is hopeless, else False.
    # It is when its best epoch so far is worse than the median of what the others had after as many
    # epochs, nan left out. Never after `warmup` epochs or fewer, never where no other came so far.
    # Of an even number the median is the mean of both in the middle: torch.quantile has it.
    others_M = others_ME[:, len(mine_e) - 1]
    others_M = others_M[~others_M.isnan()]
    if len(mine_e) <= warmup or not len(others_M):
        return False
    return bool(mine_e.max() < others_M.quantile(0.5))
    # END SOLUTION


# Hyperband ----------------------------------------------------------------------------------------


def brackets(most: int, eta: int) -> Sequence[tuple[int, int]]:
    """Plan Hyperband (Li et al., 2018): races, the boldest first, as (number, first epochs)."""
    # BEGIN SOLUTION brackets: return the list of brackets.
    # For s = S, …, 1, 0: ⌈(S + 1) · etaˢ / (s + 1)⌉ begin with ⌊most / etaˢ⌋ epochs. S is the
    # largest for which etaˢ ≤ most. Count in integers: math.log(243, 3) is 4.999….
    deepest = 0
    while eta ** (deepest + 1) <= most:
        deepest += 1
    return [
        (math.ceil((deepest + 1) * eta**s / (s + 1)), most // eta**s)
        for s in reversed(range(deepest + 1))
    ]
    # END SOLUTION


def hyperband(
    unit_ND: Tensor, budget: int, most: int, plan: Rungs, *, rng: Generator, suggest: Suggest
) -> Search:
    """Race bracket after bracket of a plan, again from the first behind the last.

    `suggest(unit_ND, seen_NE, count, rng)` names configurations that were not tried yet.
    """
    seen_NE = torch.full((len(unit_ND), most), math.nan, dtype=unit_ND.dtype)
    # BEGIN SOLUTION hyperband: yield all questions, return the winner's place.
    # A bracket that the rest of the budget does not pay for takes part with fewer, as many as it
    # does pay for; likewise where fewer untried ones are left. With none, all is over. eta is ETA.
    # The winner is the best after `most` epochs. `yield from` hands a race's questions on.
    left, untried = budget, len(unit_ND)
    for number, first in cycle(plan):
        count = min(number, untried)
        while count and cost(rungs(count, first, most, ETA)) > left:
            count -= 1
        if not count:
            break
        left, untried = left - cost(rungs(count, first, most, ETA)), untried - count
        yield from halving(suggest(unit_ND, seen_NE, count, rng), seen_NE, first, most, ETA)
    return int(promote(seen_NE[:, -1], 1))
    # END SOLUTION


# The tree-structured Parzen estimator -------------------------------------------------------------


def evidence(seen_NE: Tensor, least: int, share: float) -> tuple[Tensor, Tensor]:
    """Places of the good and of the bad among the configurations that were tried, int64 each."""
    # BEGIN SOLUTION evidence: return good_G and bad_B.
    # Compare like with like: scores after the same number of epochs, the most at which `least` or
    # more have one. Good is the best `share` of these, rounded up; bad is the rest. Both from the
    # best to the worst. Where nobody has enough company, both are empty.
    known_E = (~seen_NE.isnan()).sum(0)
    enough = (known_E >= least).nonzero()[:, 0]
    if not len(enough):
        return torch.zeros(2, 0, dtype=torch.int64).unbind()
    epoch = int(enough[-1])
    ranked = promote(seen_NE[:, epoch], int(known_E[epoch]))
    good = math.ceil(share * len(ranked))
    return ranked[:good], ranked[good:]
    # END SOLUTION


def parzen(known_M: Tensor, at_K: Tensor, width: float) -> Tensor:
    """Estimate the density from M observations in [0, 1], at K points there, float64 [K]."""
    # BEGIN SOLUTION parzen: return the density at each point, [K].
    # It is the mean of M + 1 densities on [0, 1]: the uniform one, and for each observation a
    # normal one around it with deviation `width`, cut off at 0 and 1 and divided by what is left
    # of it, so that its integral is 1. Normal(mean, deviation) has log_prob and cdf.
    bell = Normal(known_M, width)
    inside_M = bell.cdf(torch.ones_like(known_M)) - bell.cdf(torch.zeros_like(known_M))
    density_KM = bell.log_prob(at_K[:, None]).exp() / inside_M
    return (1 + density_KM.sum(1)) / (1 + len(known_M))
    # END SOLUTION


def preference(good_GD: Tensor, bad_BD: Tensor, at_KD: Tensor) -> Tensor:
    """Say how much each of K configurations looks like the good ones rather than the bad, [K]."""
    # BEGIN SOLUTION preference: return log l(x) - log g(x), [K].
    # l is the density of the good, g that of the bad: the product over the hyperparameters of SPACE
    # of one-dimensional ones. That is `parzen`, as wide as `bandwidth` says for so many, or for a
    # "choice" given.frequency(known_M, at_K, how many choices).
    liking_K = torch.zeros(len(at_KD), dtype=at_KD.dtype)
    for column, dim in enumerate(SPACE):
        for known_MD, sign in ((good_GD, 1), (bad_BD, -1)):
            known_M, at_K = known_MD[:, column], at_KD[:, column]
            if dim.scale == "choice":  # no distance between them
                density_K = frequency(known_M, at_K, len(dim.values))
            else:
                density_K = parzen(known_M, at_K, bandwidth(len(known_M)))
            liking_K = liking_K + sign * density_K.log()
    return liking_K
    # END SOLUTION


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
    # BEGIN SOLUTION suggest: return their places, all different.
    # A third, count // 3, is drawn at random from the untried, by rng: no model knows everything.
    # The others come first; they are the untried with the highest preference by the evidence, the
    # highest first. Without evidence all are drawn at random.
    free = seen_NE.isnan().all(1).nonzero()[:, 0]
    free = free[torch.randperm(len(free), generator=rng)]
    good, bad = evidence(seen_NE, least, share)
    if not len(good):
        return free[:count]
    lead = count - count // 3
    ranked = free[preference(unit_ND[good], unit_ND[bad], unit_ND[free]).argsort(descending=True)]
    rest = ranked[lead:][torch.randperm(len(ranked[lead:]), generator=rng)]
    return torch.cat([ranked[:lead], rest])[:count]
    # END SOLUTION


def search(unit_ND: Tensor, budget: int, most: int, rng: Generator) -> Search:
    """Search as you are graded: races with the estimator's suggestions (Falkner et al., 2018).

    One bracket, bolder than brackets(9, ETA) has any. Change it as you like.
    """
    plan = [(27, 1)]
    return (yield from hyperband(unit_ND, budget, most, plan, rng=rng, suggest=suggest))


# What you may say of the winner -------------------------------------------------------------------


def report(val_KS: Tensor, test_KS: Tensor) -> Report:
    """Tell what was found: K finalists, each trained from S seeds; the search saw seed 0 alone."""
    # BEGIN SOLUTION report: return a dict of these five numbers.
    # winner: who is best in validation, of those trainings that the search has seen. Trainings from
    # fresh seeds, 1 and up, know nothing of the choice; score: the winner's mean test accuracy in
    # these. noise: the deviation from seed to seed in test, the root of the variance (divided by
    # S - 1), averaged over the finalists. error: that of `score`, a mean of S - 1 trainings.
    # optimism: by how much the winner's validation accuracy beats its own mean in fresh trainings.
    winner = val_KS[:, 0].argmax()
    fresh_val, fresh_test = val_KS[winner, 1:], test_KS[winner, 1:]
    noise = test_KS.var(1).mean().sqrt()
    return {
        "winner": winner,
        "score": fresh_test.mean(),
        "error": noise / math.sqrt(len(fresh_test)),
        "noise": noise,
        "optimism": val_KS[winner, 0] - fresh_val.mean(),
    }
    # END SOLUTION


# How the scorer asks your search, who keeps the table to itself -----------------------------------

DESK = Desk()


def begin(unit_ND: Tensor, budget: int, most: int, seed: int) -> Tensor:
    """Begin a search: its first question, as given.Desk tells it."""
    return DESK.begin(search(unit_ND, budget, most, torch.Generator().manual_seed(seed)))


def answer(score_K: Tensor) -> Tensor:
    """Hand an answer to the search that has begun: its next question."""
    return DESK.answer(score_K)
