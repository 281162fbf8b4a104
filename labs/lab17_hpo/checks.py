"""The visible checks of lab 17, in the order of its tasks, and the plays on tables of curves."""

import math
import statistics
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import combinations, cycle, pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    Player,
    check,
    dream,
    every,
    exhibits,
    holds,
    integers,
    play,
)
from dllab.checks.calls import Way, check_calls
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance
from dllab.metrics import Interval, Measured
from labs.lab17_hpo.given import (
    EPOCHS,
    SPACE,
    BudgetError,
    Dim,
    Search,
    Table,
    bandwidth,
    frequency,
    public_table,
    run,
)

SEED = integers(0, 10**6)


def doubles(*shape: int, low: float = 0.0, high: float = 1.0) -> Callable[..., Tensor]:
    """Draw float64 numbers from [low, high)."""
    return lambda rng: low + (high - low) * torch.rand(shape, generator=rng, dtype=torch.float64)


def dims(g: Given) -> tuple[Dim, ...]:
    """A hyperparameter of each scale."""
    return (
        Dim("rate", "log", (10.0 ** -float(g.low), float(g.high))),
        Dim("share", "linear", (float(g.high) / 2, float(g.high))),
        Dim("size", "choice", (4, 8, 16)),
    )


def scaled(g: Given) -> Arrays:
    """Values of each scale."""
    sizes = torch.tensor([4.0, 8, 16]).double()
    return {
        "log": torch.exp((1 - g.u) * -g.low * math.log(10) + g.u * g.high.log()),
        "linear": g.high * (1 + g.u) / 2,
        "choice": sizes[(g.u * 3).long().clamp(max=2)],
    }


@check(
    "scale",
    "From the unit interval to values",
    given={
        "u": lambda rng: torch.cat([doubles(6)(rng), torch.tensor([0.05, 0.3, 0.95, 1.0])]),
        "low": integers(3, 6),
        "high": doubles(low=0.5, high=2.0),
    },
    expect=scaled,
    mistakes={
        "the values are uniform, where their logarithm should be": lambda g: {
            "log": 10.0**-g.low + g.u * (g.high - 10.0**-g.low)
        },
        "`linear` is even, not in its logarithm": lambda g: {"linear": g.high / 2 * 2**g.u},
        "it begins at 0, not at the first value": lambda g: {"linear": g.u * g.high},
        "natural and common logarithms are mixed": lambda g: {
            "log": 10 ** scaled(g)["log"].log().clamp(-300)
        },
        "this is the logarithm of the value": lambda g: {"log": scaled(g)["log"].log()},
        "the first and the last choice have half a share: do not round": lambda g: {
            "choice": torch.tensor([4.0, 8, 16]).double()[(g.u * 2).round().long()]
        },
        "this is the place of the choice, not its value": lambda g: {
            "choice": (g.u * 3).floor().clamp(max=2)
        },
        "a choice is one of the values, nothing between": lambda g: {"choice": 4 + 12 * g.u},
    },
)
def scale(lab, given) -> Arrays:
    """`scale` draws evenly, in the logarithm, or among choices."""
    return {dim.scale: lab.scale(dim, given.u) for dim in dims(given)}


# What a search costs, and how searches compare ----------------------------------------------------


def told(search: Any, answer: Callable[[Tensor, int], Tensor]) -> tuple[list[Any], int]:
    """All questions of a search, [places, epochs], and its winner."""
    steps: list[Any] = []
    search = instance(search, Generator)
    try:
        question = next(search)
        while True:
            if not (isinstance(question, tuple) and len(question) == 2):
                raise ReturnedError("a question is a pair: yield place_K, epochs")
            place, epochs = instance(question[0], Tensor), int(question[1])
            steps.append((place.tolist(), epochs))
            if len(steps) > 100:
                raise ReturnedError("the search goes on after 100 questions: when does it end?")
            question = search.send(answer(place, epochs))
    except StopIteration as end:
        if end.value is None:
            raise ReturnedError("the search returns nothing: return the winner's place") from None
        return steps, int(end.value)


def curves(count: int, epochs: int) -> Callable[..., Tensor]:
    """Draw curves that rise, end, and cross; float64 [count, epochs], no two numbers alike."""

    def draw(rng: torch.Generator) -> Tensor:
        rise = torch.rand(count, epochs, generator=rng, dtype=torch.float64)
        return (rise + torch.rand(count, 1, generator=rng)).round(decimals=3) / 2

    return draw


def random_probe(lab: ModuleType, given: Given) -> Arrays:
    """Questions of four random searches, the first seed once more, and of one that may try all."""
    found = []
    seeds = [int(given.seed) + i for i in (0, 0, 1, 2)]
    for seed, budget in [*((s, 29) for s in seeds), (seeds[0], 10**4)]:
        rng = torch.Generator().manual_seed(seed)
        unit = torch.rand(12, 2, dtype=torch.float64)
        steps, winner = told(
            lab.random_search(unit, budget, 4, rng), lambda p, e: given.curve[p, e - 1]
        )
        place = [n for places, _ in steps for n in places]
        found.append((place, [e for places, e in steps for _ in places], winner))
    return {
        "drawn": torch.tensor([one[0][:7] + [-1] * (7 - len(one[0])) for one in found[:4]]),
        "epochs": torch.tensor([min(e) for _, e, _ in found]),
        "count": torch.tensor([len(place) for place, _, _ in found]),
        "winner": torch.tensor([winner for *_, winner in found]),
    }


@check(
    "random-search",
    "Random search",
    given={"curve": curves(12, 4), "seed": SEED},
    probe=random_probe,
    returns={
        "drawn": "int64 [4, 7]",
        "epochs": "int64 [5]",
        "count": "int64 [5]",
        "winner": "int64 [5]",
    },
)
def random_search(given: Given, got: Arrays) -> Outcome:
    """`random_search` trains as many different ones as the budget pays for, and finds the best."""
    drawn, count = got["drawn"], got["count"].tolist()
    spent = f"of 29 epochs, 4 each, {count[0]} are trained: it should be 7, rounded down"
    fits = bool((drawn >= 0).all() and (drawn < 12).all())
    best = [given.curve[p, 3].argmax() for p in drawn] if fits else []
    wins = torch.stack([p[i] for p, i in zip(drawn, best, strict=True)]) if fits else drawn[:, 0]
    return every(
        holds((got["epochs"] == 4).all(), "each is to be trained for `most` epochs"),
        holds(count[:4] == [7] * 4, spent),
        holds(count[4] == 12, f"where the budget pays for all 12, {count[4]} are trained"),
        holds(fits, "these are no places of the table: from 0 to N - 1"),
        holds((drawn.sort(1).values.diff() > 0).all(), "one is drawn twice: draw different ones"),
        holds(torch.equal(drawn[0], drawn[1]), "the same rng draws others: draw by rng"),
        holds((drawn[0] != drawn[2]).any(), "every rng draws the same places: draw by rng"),
        holds(
            torch.equal(got["winner"][:4], wins),
            "the winner is not the place of the best: its place in the table, not in the answer",
        ),
    )


def paid(rng: torch.Generator) -> Arrays:
    """Draw what a search paid, what it was told, and budgets, some of them exactly paid."""
    spent = torch.randint(2, 9, (8,), generator=rng).cumsum(0)
    asked = torch.cat([spent[:1] - 1, spent[[0, 3, 5]], spent[[2, 6]] + 1, spent[-1:] + 9])
    score = doubles(8)(rng).sort().values[torch.tensor([3, 0, 5, 2, 4, 6, 1, 7])]
    return {"paid": spent, "score": score, "budget": asked}


def shown(g: Given, best: str = "max", early: int = 0) -> Tensor:
    """The incumbent at each budget, right or wrong in a classic way."""
    found = []
    for budget in g.budget.tolist():
        known = g.score[g.paid + early <= budget]
        value = {"max": max, "last": lambda s: s[-1], "min": min, "mean": statistics.fmean}[best]
        found.append(float(value(known.tolist())) if len(known) else 0.0)
    return torch.tensor(found, dtype=torch.float64)


@check(
    "incumbent",
    "The best so far, by what was paid",
    given=paid,
    expect=shown,
    mistakes={
        "this is the last answer, not the best so far": partial(shown, best="last"),
        "this is the worst so far": partial(shown, best="min"),
        "this is the mean so far": partial(shown, best="mean"),
        "an answer counts from the very budget on at which it is paid: ≤": partial(shown, early=1),
        "the budget is ignored: answers to come are known": lambda g: (
            g.score.amax().expand(len(g.budget)).clone()
        ),
        "budgets are epochs, not how many answers came": lambda g: torch.stack(
            [g.score[: int(b)].amax() for b in g.budget]
        ),
    },
)
def incumbent(lab, given) -> Tensor:
    """`incumbent` is the best score that was paid for, at each budget."""
    return lab.incumbent(given.paid, given.score, given.budget)


def by_count(g: Given, best: Callable[[Tensor, int], Tensor]) -> Tensor:
    """For several numbers of draws."""
    return torch.stack([best(g.score, n) for n in (1, 2, 3, 7)])


def over_all_ways(score: Tensor, count: int) -> Tensor:
    """The mean of the maximum, over all subsets."""
    return torch.tensor([max(one) for one in combinations(score.tolist(), count)]).double().mean()


def with_repeats(score: Tensor, count: int) -> Tensor:
    """The mean of the maximum of draws that may repeat (Dodge et al., 2019)."""
    share = torch.arange(len(score) + 1, dtype=torch.float64) / len(score)
    return (score.sort().values * (share**count).diff()).sum()


@check(
    "expected-best",
    "The best of so many, on average",
    given={"score": lambda rng: doubles(7)(rng).sort().values[torch.tensor([2, 0, 4, 1, 6, 5, 3])]},
    expect=partial(by_count, best=over_all_ways),
    mistakes={
        "the same may be drawn twice here: they are different ones": partial(
            by_count, best=with_repeats
        ),
        "this is the mean of all: take that of the best": partial(
            by_count, best=lambda s, _: s.mean()
        ),
        "this is the best of all": partial(by_count, best=lambda s, _: s.max()),
        "these are the first ones, not all ways to draw": partial(
            by_count, best=lambda s, n: s[:n].max()
        ),
        "this is the mean of the worst: sort in rising order": partial(
            by_count, best=lambda s, n: -over_all_ways(-s, n)
        ),
        "the scores must be sorted before": partial(
            by_count,
            best=lambda s, n: sum(
                v * math.comb(k, n - 1) / math.comb(7, n) for k, v in enumerate(s)
            ),
        ),
        "this is a quantile, not a mean": partial(
            by_count, best=lambda s, n: s.quantile(n / (n + 1))
        ),
    },
    atol=1e-9,
    rtol=1e-7,
)
def expected_best(lab, given) -> Tensor:
    """`expected_best` is the mean of the maximum over all ways to draw so many."""
    return by_count(given, lab.expected_best)


# Successive halving -------------------------------------------------------------------------------


def ladder(
    count: int,
    first: int,
    most: int,
    eta: int,
    *,
    stay: Callable[[int, int], int] = lambda n, eta: max(1, n // eta),
    longer: Callable[[int, int, int], int] = lambda e, eta, most: min(most, e * eta),
) -> list[tuple[int, int]]:
    """The rungs of a race, right or wrong in a classic way."""
    steps = [(count, first)]
    while steps[-1][1] < most and len(steps) < 12:
        steps.append((stay(steps[-1][0], eta), longer(steps[-1][1], eta, most)))
    return steps


RUNGS = {
    "an eta-th is rounded down": partial(ladder, stay=lambda n, eta: max(1, -(-n // eta))),
    "an eta-th is rounded down, not to the nearest": partial(
        ladder, stay=lambda n, eta: max(1, round(n / eta))
    ),
    "at least one stays": partial(ladder, stay=lambda n, eta: n // eta),
    "no rung has more than `most` epochs": partial(ladder, longer=lambda e, eta, most: e * eta),
    "the last rung is missing: somebody is trained for `most`": lambda *a: (
        ladder(*a)[:-1] or ladder(*a)
    ),
    "the first rung is missing": lambda *a: ladder(*a)[1:],
    "epochs grow by the factor eta, not by eta more": partial(
        ladder, longer=lambda e, eta, most: min(most, e + eta)
    ),
    "half stay, whatever eta is": partial(ladder, stay=lambda n, eta: max(1, n // 2)),
    "an eta-th stays, not all but eta": partial(ladder, stay=lambda n, eta: max(1, n - eta)),
    "a rung is (number, epochs)": lambda *a: [(e, n) for n, e in ladder(*a)],
    "epochs are those in all, not those that are added": lambda *a: [
        (n, e - old)
        for (n, e), old in zip(ladder(*a), [0, *(e for _, e in ladder(*a))], strict=False)
    ],
}


def races(g: Given) -> Iterator[tuple[int, int, int, int]]:
    """Races whose numbers divide, and do not."""
    n = int(g.number)
    yield from ((27, 1, 27, 3), (n, 1, 9, 3), (n, 2, 9, 2), (2, 1, 9, 3), (5, 9, 9, 3))


@check_calls(
    "rungs",
    "The rungs of a race",
    given={"number": integers(11, 40)},
    calls=races,
    expect=ladder,
    mistakes=RUNGS,
)
def rungs(lab: ModuleType) -> Way:
    """`rungs` keeps an eta-th, for eta times as many epochs, until somebody has `most`."""
    return lambda *race: [(int(n), int(e)) for n, e in lab.rungs(*race)]


def price(plan: Sequence[tuple[int, int]]) -> int:
    """The epochs of a race: each is paid by all who are trained for it."""
    last = plan[-1][1]
    return sum(max(n for n, e in plan if e >= epoch) for epoch in range(1, last + 1))


@check_calls(
    "cost",
    "What a race costs",
    given={"number": integers(2, 6, 3)},
    calls=lambda g: (
        [([(9 * n, 2), (3 * n, 6), (n, 18)],) for n in g.number.unique().tolist()]
        + [([(5, 9)],), ([(8, 1), (4, 2), (2, 4), (1, 7)],)]
    ),
    expect=price,
    mistakes={
        "those who stay are not trained anew: they go on": lambda p: sum(n * e for n, e in p),
        "the first rung is not paid": lambda p: price(p) - p[0][0] * p[0][1],
        "this is the first rung alone": lambda p: p[0][0] * p[0][1],
        "these are the epochs of one configuration": lambda p: p[-1][1],
        "these are trainings, not epochs": lambda p: sum(n for n, _ in p),
        "all who began are trained to the end here": lambda p: p[0][0] * p[-1][1],
        "those who leave are paid, too: n is who is trained": lambda p: (
            p[0][0] * p[0][1] + sum(a[0] * (b[1] - a[1]) for a, b in pairwise(p))
        ),
    },
)
def cost(lab: ModuleType) -> Way:
    """`cost` counts the epochs of a race in which nobody is trained anew."""
    return lambda plan: int(lab.cost(plan))


def ties(rng: torch.Generator) -> Arrays:
    """Draw scores among which some are equal, some negative, and two are nan."""
    score = torch.tensor([0.7, -1, 0.3, 0.7, math.nan, -2, 0.7, 0.1, math.nan, 0.9]).double()
    return {"score": score[torch.randperm(10, generator=rng)]}


def podium(g: Given, *, order: int = 1, burst: float = -math.inf, up: bool = False) -> Arrays:
    """The best places, by Python's sort."""
    score = g.score.nan_to_num(nan=burst, neginf=-math.inf).tolist()
    ranked = sorted(range(10)[::order], key=lambda i: score[i], reverse=not up)
    return {"some": torch.tensor(ranked[:4]), "all": torch.tensor(ranked)}


@check(
    "promote",
    "Who stays",
    given=ties,
    expect=podium,
    mistakes={
        "the worst stay: more is better": partial(podium, burst=math.inf, up=True),
        "nan is sorted as the greatest number: it is the worst": partial(podium, burst=math.inf),
        "nan is taken for 0: negative scores are worse than that": partial(podium, burst=0.0),
        "of equal ones the earlier comes first: sort with stable=True": lambda g: {
            "some": podium(g, order=-1)["some"]
        },
        "the best comes first": lambda g: {"some": podium(g)["some"].sort().values},
        "the best comes first, this is rising": lambda g: {"some": podium(g)["some"].flip(0)},
        "these are scores: return places": lambda g: {"some": g.score[podium(g)["some"]]},
        "one too many stay": lambda g: {"some": podium(g)["all"][:5]},
    },
)
def promote(lab, given) -> Arrays:
    """`promote` names the best, the best first, and nan last."""
    return {"some": lab.promote(given.score, 4), "all": lab.promote(given.score, 10)}


Log = tuple[list[Any], int, list[Any]]


def race(
    place: list[int],
    curve: list[list[float]],
    first: int,
    most: int,
    *,
    by: str = "last",
    winner: str = "",
    memory: str = "",
) -> Log:
    """A race by lists: questions, winner, what was written; right or wrong in a classic way."""
    steps, wrote, score, start = [], {}, dict[int, list[float]](), list(place)
    rank = {
        "best": lambda n: max(score[n]),
        "first": lambda n: score[n][0],
        "worst": lambda n: -score[n][-1],
    }.get(by, lambda n: score[n][-1])
    for number, epochs in ladder(len(place), first, most, 3):
        if steps:
            place = sorted(start if by == "all" else place, key=rank, reverse=True)[:number]
        steps.append((list(place), epochs))
        for n in place:
            score.setdefault(n, []).append(curve[n][epochs - 1])
            wrote[n, most if memory == "end" else epochs] = curve[n][epochs - 1]
    best = max(place, key=rank)
    named = {"rung": place.index(best), "first": place[0]}.get(winner, best)
    return steps, named, [] if memory == "none" else sorted((*k, v) for k, v in wrote.items())


def starts(g: Given) -> Iterator[tuple[list[int], list[list[float]], int, int]]:
    """Races of some of the table."""
    place, curve = g.place.tolist(), g.curve.tolist()
    yield place[:3], curve, 1, 3
    yield place[:18], curve, 1, 9
    yield place[:9], [[v / (1 + e) for e, v in enumerate(one)] for one in curve], 1, 9
    yield place[2:6], curve, 9, 9


@check_calls(
    "halving",
    "Successive halving",
    given={"curve": curves(20, 9), "place": lambda rng: torch.randperm(20, generator=rng)},
    calls=starts,
    expect=race,
    mistakes={
        "the worst stay": partial(race, by="worst"),
        "who is out comes back: promote among those of the last rung": partial(race, by="all"),
        "promoted by their best answer so far, not by the last": partial(race, by="best"),
        "promoted by the first answer, not by the last": partial(race, by="first"),
        "the winner's place in the rung, not in the table": partial(race, winner="rung"),
        "the winner is the first of the last rung, not the best": partial(race, winner="first"),
        "nothing is written into seen_NE": partial(race, memory="none"),
        "seen_NE[n, e - 1] is the score after e epochs, not the last column": partial(
            race, memory="end"
        ),
    },
    depends_on=("rungs", "promote"),
)
def halving(lab: ModuleType) -> Way:
    """`halving` asks rung by rung, remembers all answers, and names the winner."""

    def way(place: list[int], curve: list[list[float]], first: int, most: int) -> Log:
        table = torch.tensor(curve, dtype=torch.float64)
        seen = torch.full_like(table, math.nan)
        asked = lab.halving(torch.tensor(place), seen, first, most, 3)
        steps, winner = told(asked, lambda p, e: table[p, e - 1])
        wrote = [(n, e + 1, float(seen[n, e])) for n, e in (~seen.isnan()).nonzero().tolist()]
        return steps, winner, wrote

    return way


def middling(
    others: Sequence[Sequence[float]],
    mine: Sequence[float],
    warmup: int,
    *,
    own: Callable[..., float] = max,
    middle: Callable[..., float] = statistics.median,
    theirs: Callable[..., float] = lambda one, e: one[e - 1],
    equal: bool = False,
    early: int = 0,
) -> bool:
    """The median rule by lists, right or wrong in a classic way."""
    e = len(mine)
    known = [theirs(one, e) for one in others if not math.isnan(one[e - 1])]
    if e + early <= warmup or not known:
        return False
    return own(mine) < middle(known) or (equal and own(mine) == middle(known))


def trials(g: Given) -> Iterator[tuple[list[list[float]], list[float], int]]:
    """Others, and one that is better, worse, and just as good as they."""
    others = g.others.tolist()
    others[0][3:], others[1][2:], others[2][1:] = [math.nan] * 2, [math.nan] * 3, [math.nan] * 4
    for mine in g.mine.tolist():
        for e in (1, 2, 3, 4, 5):
            yield others, mine[:e], 2
    yield others, [statistics.median(one[0] for one in others)], 0
    yield others, [0.0, 0.0], 2
    yield others, [0.0] * 4, 1
    low, high = sorted(one[0] for one in others[:4])[1:3]
    yield others[:4], [(3 * low + high) / 4], 0
    yield others[:3], [0.0] * 4, 1


@check_calls(
    "stops",
    "The median rule",
    given={"others": curves(8, 5), "mine": curves(6, 5)},
    calls=trials,
    expect=middling,
    mistakes={
        "the last epoch counts, where the best so far should": partial(
            middling, own=lambda mine: mine[-1]
        ),
        "the mean of others, not the median": partial(middling, middle=statistics.fmean),
        "of an even number the lower of both is taken: torch.median does so": partial(
            middling, middle=statistics.median_low
        ),
        "it must beat the best of the others here": partial(middling, middle=max),
        "others are compared by their best so far, not after as many epochs": partial(
            middling, theirs=lambda one, e: max(one[:e])
        ),
        "others are compared by their end, which this one has not reached": partial(
            middling, theirs=lambda one, _: [v for v in one if not math.isnan(v)][-1]
        ),
        "as good as the median is not worse": partial(middling, equal=True),
        "after `warmup` epochs themselves it is still too early": partial(middling, early=1),
        "the warm-up is ignored": partial(middling, early=99),
        "better ones are stopped, worse ones go on": lambda o, m, w: (
            (len(m) > w and bool([x for x in o if x[len(m) - 1] == x[len(m) - 1]]))
            and not middling(o, m, w)
        ),
        "nan of one who was stopped makes all nan: leave it out": lambda o, m, w: (
            middling(o, m, w) and not any(math.isnan(one[len(m) - 1]) for one in o)
        ),
    },
)
def stops(lab: ModuleType) -> Way:
    """`stops` ends what is worse than the median of others after as many epochs."""

    def way(others: list[list[float]], mine: list[float], warmup: int) -> bool:
        double = partial(torch.tensor, dtype=torch.float64)
        return bool(lab.stops(double(others), double(mine), warmup))

    return way


# Hyperband ----------------------------------------------------------------------------------------


def plans(
    most: int, eta: int, deepest: Callable[[int, int], int] | None = None, up: Way = math.ceil
) -> list[tuple[int, int]]:
    """Hyperband's brackets, right or wrong in a classic way."""
    S = deepest(most, eta) if deepest else max(s for s in range(12) if eta**s <= most)
    return [(up((S + 1) * eta**s / (s + 1)), most // eta**s) for s in range(S, -1, -1)]


@check_calls(
    "brackets",
    "Hyperband's brackets",
    given={"most": integers(28, 80)},
    calls=lambda g: [(9, 3), (243, 3), (int(g.most), 3), (int(g.most), 2), (64, 4), (3, 4)],
    expect=plans,
    mistakes={
        "math.log rounds: 243 is 3⁵": partial(
            plans, deepest=lambda most, eta: int(math.log(most) / math.log(eta))
        ),
        "the numbers are rounded up": partial(plans, up=math.floor),
        "the boldest bracket comes first": lambda *a: plans(*a)[::-1],
        "the last bracket is missing, in which nobody is stopped": lambda *a: plans(*a)[:-1],
        "S is the largest for which etaˢ ≤ most": partial(
            plans, deepest=lambda most, eta: max(s for s in range(12) if eta**s < most)
        ),
        "divide by s + 1: all brackets cost alike": lambda most, eta: [
            (len(plans(most, eta)) * eta**s, most // eta**s)
            for s in range(len(plans(most, eta)) - 1, -1, -1)
        ],
        "etaˢ begin with most / etaˢ epochs: a bracket is (number, epochs)": lambda *a: [
            (e, n) for n, e in plans(*a)
        ],
        "the bold ones begin with few epochs": lambda *a: [
            (n, e) for (n, _), (_, e) in zip(plans(*a), plans(*a)[::-1], strict=True)
        ],
    },
)
def brackets(lab: ModuleType) -> Way:
    """`brackets` plans races that cost about the same, from the boldest to none."""
    return lambda most, eta: [(int(n), int(e)) for n, e in lab.brackets(most, eta)]


def band(
    curve: list[list[float]],
    budget: int,
    *,
    turns: Callable[..., Any] = cycle,
    rest: bool = True,
    price: Callable[..., int] = price,
    winner: str = "end",
    blind: bool = False,
    more: int = 0,
) -> tuple[list[Any], int]:
    """Hyperband over the table from its end, right or wrong in a classic way."""
    most, free, steps = len(curve[0]), list(range(len(curve)))[::-1], list[Any]()
    wrote, left, last, untried = list[Any](), budget + more, 0, len(curve)
    for number, first in turns(plans(most, 3)):
        count = min(untried, number)
        while rest and count and price(ladder(count, first, most, 3)) > left:
            count -= 1
        if not count or price(ladder(count, first, most, 3)) > left or len(steps) > 90:
            break
        left, untried = left - price(ladder(count, first, most, 3)), untried - count
        place, free = free[:count], free if blind else free[count:]
        asked, last, seen = race(place, curve, first, most)
        steps, wrote = steps + asked, wrote + seen
    end = [(v, n) for n, e, v in wrote if e == most or winner == "any"]
    return steps, last if winner == "last" else max(end)[1]


@check_calls(
    "hyperband",
    "Hyperband",
    given={"curve": curves(30, 9), "budget": integers(80, 130)},
    calls=lambda g: [
        (curve.tolist(), budget)
        for curve, budget in ((g.curve, int(g.budget)), (g.curve, 25), (g.curve[:12], 300))
    ],
    expect=band,
    mistakes={
        "the rest of the budget is not spent: let fewer take part": partial(band, rest=False),
        "after the last bracket the first comes again": partial(band, turns=iter),
        "only the boldest bracket is raced": partial(band, turns=lambda plan: cycle(plan[:1])),
        "who stays in a race goes on: the cost counts it anew": partial(
            band, price=lambda plan: sum(n * e for n, e in plan)
        ),
        "more is asked for than the budget pays": partial(band, more=9),
        "`suggest` does not get what was seen: it names the same again": partial(band, blind=True),
        "the winner is the best of the last race, not of all": partial(band, winner="last"),
        "the winner is the best after `most` epochs, not after any": partial(band, winner="any"),
    },
    depends_on=("rungs", "cost", "halving"),
)
def hyperband(lab: ModuleType) -> Way:
    """`hyperband` races all brackets again and again, until its budget is spent."""

    def next_ones(_unit: Tensor, seen: Tensor, count: int, _rng: Any) -> Tensor:
        return seen.isnan().all(1).nonzero()[:, 0].flip(0)[:count]

    def way(curve: list[list[float]], budget: int) -> tuple[list[Any], int]:
        table = torch.tensor(curve, dtype=torch.float64)
        rng, unit = torch.Generator(), torch.zeros(len(curve), 2, dtype=torch.float64)
        search = lab.hyperband(unit, budget, len(curve[0]), plans(9, 3), rng=rng, suggest=next_ones)
        return told(search, lambda p, e: table[p, e - 1])

    return way


# The tree-structured Parzen estimator -------------------------------------------------------------

LEAST, SHARE = 6, 0.3


def memory(rng: torch.Generator) -> Arrays:
    """Draw what a search has seen: 30 configurations, most after one epoch, few after nine."""
    seen = curves(30, 9)(rng)
    order = torch.randperm(30, generator=rng)
    for begin, epochs in ((25, 0), (14, 1), (LEAST, 2), (LEAST - 2, 3)):
        seen[order[begin:], epochs:] = math.nan
    seen[:, 3:8] = math.nan
    unit = (torch.rand(30, len(SPACE), generator=rng, dtype=torch.float64) * 0.99) + 0.005
    return {"seen": seen, "unit": unit}


def sides(
    seen: Tensor,
    *,
    column: Callable[[Tensor], int] = lambda known: int((known >= LEAST).nonzero()[-1]),
    up: Callable[[float], int] = math.ceil,
    worst: bool = False,
) -> Arrays:
    """Good and bad by their last comparable answer, right or wrong in a classic way."""
    known = (~seen.isnan()).sum(0)
    score = seen[:, column(known)].tolist()
    ranked = sorted(
        (n for n in range(len(score)) if not math.isnan(score[n])), key=lambda n: -score[n]
    )
    good = up(SHARE * len(ranked))
    ranked = ranked[::-1] if worst else ranked
    return {"good": torch.tensor(ranked[:good]), "bad": torch.tensor(ranked[good:])}


def mixed(seen: Tensor) -> Arrays:
    """Everybody by their last answer, however many epochs it took."""
    last = torch.full((len(seen), 1), math.nan, dtype=torch.float64)
    for e in range(9):
        last = torch.where(seen[:, e : e + 1].isnan(), last, seen[:, e : e + 1])
    return sides(last, column=lambda _: 0)


def by_side(g: Given, **how: Any) -> Arrays:
    """Good and bad of a memory."""
    return sides(g.seen, **how)


@check(
    "evidence",
    "Good and bad",
    given=memory,
    expect=lambda g: {**sides(g.seen), "none": torch.tensor([0, 0])},
    mistakes={
        "scores after one epoch and after nine are compared: these are not alike": lambda g: mixed(
            g.seen
        ),
        "one that few were trained for: `least` must have a score": partial(
            by_side, column=lambda known: int(known.nonzero()[-1])
        ),
        "these are the fewest epochs: take the most that enough were trained for": partial(
            by_side, column=lambda known: int(known.argmax())
        ),
        "`least` is enough: ≥": partial(
            by_side, column=lambda known: int((known > LEAST).nonzero()[-1])
        ),
        "the share is rounded up": partial(by_side, up=int),
        "the worst are called good: more is better": partial(by_side, worst=True),
        "good and bad go from the best to the worst": lambda g: {
            k: v.sort().values for k, v in sides(g.seen).items()
        },
        "good and bad are swapped": lambda g: dict(
            zip(("bad", "good"), sides(g.seen).values(), strict=True)
        ),
    },
    depends_on=("promote",),
)
def evidence(lab, given) -> Arrays:
    """`evidence` compares scores after equally many epochs, the most that enough have."""
    good, bad = lab.evidence(given.seen, LEAST, SHARE)
    none = lab.evidence(given.seen[:, 2:], 29, SHARE)
    return {"good": good, "bad": bad, "none": torch.tensor([len(side) for side in none])}


def bells(
    g: Given,
    *,
    uniform: float = 1.0,
    cut: str = "kernel",
    width: Callable[[Tensor], Tensor] = lambda w: w,
    root: bool = True,
    count: int = 1,
) -> Tensor:
    """Densities by their formula, right or wrong in a classic way."""
    w = width(g.width)
    z = (g.at[:, None] - g.known) / w
    bell = (-(z**2) / 2).exp() / (w * math.sqrt(2 * math.pi) if root else 1)
    edge = {"kernel": g.known, "point": g.at[:, None], "none": g.known}[cut]
    inside = torch.erf((1 - edge) / w / 2**0.5) / 2 + torch.erf(edge / w / 2**0.5) / 2
    return (uniform + (bell / (inside if cut != "none" else 1)).sum(1)) / (len(g.known) + count)


@check(
    "parzen",
    "A density from observations",
    given={"known": doubles(5), "at": doubles(6), "width": doubles(low=0.08, high=0.3)},
    expect=bells,
    mistakes={
        "what lies outside of [0, 1] is lost: divide by what is left": partial(bells, cut="none"),
        "divide by what is left of the observation's bell, not of one at the point": partial(
            bells, cut="point"
        ),
        "the uniform density is missing": partial(bells, uniform=0.0, count=0),
        "the uniform density is not added": partial(bells, uniform=0.0),
        "divide by M + 1: the uniform density counts": partial(bells, count=0),
        "this is a sum: divide by M + 1": lambda g: bells(g) * 6,
        "`width` is the deviation, not the variance": partial(bells, width=torch.sqrt),
        "the bell has no factor 1 / (width · √(2π))": partial(bells, root=False),
        "this is the logarithm: take exp": lambda g: bells(g).log(),
        "sum over the observations, not over the points": lambda g: bells(
            g | {"known": g.at, "at": g.known}
        ),
    },
    atol=1e-7,
)
def parzen(lab, given) -> Tensor:
    """`parzen` is a mean of bells that are cut off at 0 and 1, and of the uniform density."""
    return lab.parzen(given.known, given.at, float(given.width))


def many(rng: torch.Generator) -> Arrays:
    """Draw good and bad configurations, and some to judge."""
    drawn = {"good": 4, "bad": 11, "at": 5}
    return {name: doubles(count, len(SPACE))(rng) for name, count in drawn.items()}


def likings(
    g: Given,
    *,
    signs: tuple[int, int] = (1, -1),
    width: Callable[[int], float] = bandwidth,
    choices: bool = True,
    only: Callable[[int], bool] = lambda _: True,
    product: bool = True,
) -> Tensor:
    """The log l(x) - log g(x) by the formulas, right or wrong in a classic way."""
    total = torch.zeros(len(g.at), dtype=torch.float64)
    for side, sign in zip((g.good, g.bad), signs, strict=True):
        each = []
        for d, dim in enumerate(SPACE):
            known, at = side[:, d], g.at[:, d]
            smooth = dim.scale != "choice" or not choices
            here = Given(known=known, at=at, width=torch.tensor(width(len(known))).double())
            density = bells(here) if smooth else frequency(known, at, len(dim.values))
            each += [density] * only(d)
        stacked = torch.stack(each)
        total += sign * (stacked.log().sum(0) if product else stacked.sum(0).log())
    return total


@check(
    "preference",
    "What looks like the good ones",
    given=many,
    expect=likings,
    mistakes={
        "the sign is wrong: good over bad": partial(likings, signs=(-1, 1)),
        "only the good ones are asked: divide by the density of the bad": partial(
            likings, signs=(1, 0)
        ),
        "only the bad ones are asked": partial(likings, signs=(0, -1)),
        "this is l / g: take the logarithm": lambda g: likings(g).exp(),
        "densities are multiplied over the hyperparameters, not added": partial(
            likings, product=False
        ),
        "choices have no distance: given.frequency counts them": partial(likings, choices=False),
        "only the numbers count, the choices are left out": partial(likings, only=lambda d: d < 4),
        "only the first hyperparameter counts": partial(likings, only=lambda d: d == 0),
        "each side has its own bandwidth, by its own number": partial(
            likings, width=lambda _: bandwidth(4)
        ),
        "the bandwidth is that of all observations": partial(
            likings, width=lambda _: bandwidth(15)
        ),
        "this is the mean over the hyperparameters: take the sum": lambda g: likings(g) / 6,
    },
    depends_on=("parzen",),
)
def preference(lab, given) -> Tensor:
    """`preference` is the logarithm of how much likelier a configuration is among the good."""
    return lab.preference(given.good, given.bad, given.at)


COUNT = 7


def suggest_probe(lab: ModuleType, given: Given) -> Arrays:
    """Suggestions by three seeds, the first once more; and where nothing was seen."""
    found = []
    for shift in (0, 0, 1, 2):
        rng = torch.Generator().manual_seed(int(given.seed) + shift)
        found.append(lab.suggest(given.unit, given.seen, COUNT, rng, least=LEAST, share=SHARE))
    blank = torch.full_like(given.seen, math.nan)
    blind = lab.suggest(given.unit, blank, COUNT, torch.Generator().manual_seed(int(given.seed)))
    return {"chosen": torch.stack(found), "blind": blind}


def untried(rng: torch.Generator) -> Arrays:
    """Draw a memory in which half is untried."""
    g = memory(rng)
    g["seen"] = torch.cat([g["seen"], torch.full((20, 9), math.nan, dtype=torch.float64)])
    g["unit"] = torch.cat([g["unit"], doubles(20, len(SPACE))(rng)])
    return {**g, "seed": SEED(rng)}


@check(
    "suggest",
    "Suggestions",
    given=untried,
    probe=suggest_probe,
    returns={"chosen": f"int64 [4, {COUNT}]", "blind": f"int64 [{COUNT}]"},
    depends_on=("evidence", "preference"),
)
def suggest(given: Given, got: Arrays) -> Outcome:
    """`suggest` names untried ones: two thirds by preference, the rest by chance."""
    free = given.seen.isnan().all(1)
    chosen, blind = got["chosen"], got["blind"]
    if bool(((chosen < 0) | (chosen >= 50)).any() or ((blind < 0) | (blind >= 50)).any()):
        return Outcome(0.0, "some are no places of the table: from 0 to N - 1")
    side = sides(given.seen)
    place = free.nonzero()[:, 0]
    liking = likings(
        Given(good=given.unit[side["good"]], bad=given.unit[side["bad"]], at=given.unit[place])
    )
    liked = place[liking.argsort(descending=True)]
    lead = COUNT - COUNT // 3
    by_model, drawn = chosen[:, :lead], chosen[:, lead:]
    return every(
        holds(free[chosen].all(), "some were tried before: nobody trains them twice"),
        holds(len({*blind.tolist()}) == COUNT, "without evidence, one is named twice"),
        holds((chosen.sort(1).values.diff() > 0).all(), "one is named twice: all are different"),
        holds(
            (by_model != liked[-lead:].flip(0)).any(), "the least preferred are named, not the most"
        ),
        holds(
            (by_model.sort(1).values == liked[:lead].sort().values).all(),
            f"of {COUNT}, {lead} are the untried with the highest preference, and come first",
        ),
        holds((by_model == liked[:lead]).all(), "the highest preference comes first"),
        holds(torch.equal(chosen[0], chosen[1]), "the same rng names others: draw by rng"),
        holds(
            (drawn != drawn[0]).any(),
            f"{COUNT // 3} of {COUNT} are drawn by chance: they are the same for every rng",
        ),
        holds((blind != torch.arange(COUNT)).any(), "without evidence, draw at random, by rng"),
    )


# What you may say of the winner -------------------------------------------------------------------


def told_of(
    g: Given,
    *,
    chosen: Callable[[Given], Tensor] = lambda g: g.val[:, 0],
    fresh: slice = slice(1, None),
    split: str = "test",
) -> Arrays:
    """The report, right or wrong in a classic way."""
    k = int(chosen(g).argmax())
    noise = g.test.var(1).mean().sqrt()
    return {
        "winner": torch.tensor(k),
        "score": g[split][k, fresh].mean(),
        "error": noise / math.sqrt(g.test.shape[1] - 1),
        "noise": noise,
        "optimism": g.val[k, 0] - g.val[k, 1:].mean(),
    }


def in_part(name: str, number: Callable[[Given, int], Tensor]) -> Callable[[Given], Arrays]:
    """One number of the report, by the winner's place."""
    return lambda g: {name: number(g, int(g.val[:, 0].argmax()))}


def told_by(chosen: Callable[[Given], Tensor]) -> Callable[[Given], Arrays]:
    """The winner and its score where it was chosen by something else."""
    return lambda g: {k: told_of(g, chosen=chosen)[k] for k in ("winner", "score")}


def finals(rng: torch.Generator) -> Arrays:
    """Draw finalists: one is lucky in validation, others are best in test or on average."""
    val, test = (0.7 + 0.1 * torch.rand(6, 4, generator=rng, dtype=torch.float64) for _ in "ab")
    order = torch.randperm(6, generator=rng)
    val[order[0], 0], test[order[1], 0], val[order[2], 1:], test[order[3]] = 0.85, 0.86, 0.84, 0.83
    return {"val": val, "test": test}


@check(
    "report",
    "An honest report",
    given=finals,
    expect=told_of,
    mistakes={
        "the winner is chosen by test: then test tells nothing any more": told_by(
            lambda g: g.test[:, 0]
        ),
        "the winner is chosen by its mean test accuracy": told_by(lambda g: g.test.mean(1)),
        "the winner is chosen by all seeds: the search has seen seed 0": told_by(
            lambda g: g.val.mean(1)
        ),
        "the winner is chosen by the best of all seeds": told_by(lambda g: g.val.amax(1)),
        "seed 0 was chosen for its luck: score the fresh ones": lambda g: {
            "score": told_of(g, fresh=slice(None))["score"]
        },
        "this scores the training that was chosen: take fresh ones": lambda g: {
            "score": told_of(g, fresh=slice(1))["score"]
        },
        "`score` is in test: validation has chosen": lambda g: {
            "score": told_of(g, split="val")["score"]
        },
        "this is the score by which it was chosen: the winner's curse": in_part(
            "score", lambda g, k: g.val[k, 0]
        ),
        "`score` is the best of the fresh ones, not their mean": in_part(
            "score", lambda g, k: g.test[k, 1:].max()
        ),
        "`noise` divides by S - 1, not by S": lambda g: {
            "noise": told_of(g)["noise"] * (3 / 4) ** 0.5,
            "error": told_of(g)["error"] * (3 / 4) ** 0.5,
        },
        "the error of a mean of n is the noise / √n": lambda g: {"error": told_of(g)["noise"] / 3},
        "`error` is that of a mean: divide by √(S - 1)": lambda g: {"error": told_of(g)["noise"]},
        "S - 1 trainings are fresh, not S": lambda g: {"error": told_of(g)["noise"] / 2},
        "`noise` is between seeds: these are differences between configurations": lambda g: {
            "noise": g.test.std()
        },
        "`noise` averages the variances, not the deviations": lambda g: {
            "noise": g.test.std(1).mean()
        },
        "`noise` is the winner's alone: average over all finalists": in_part(
            "noise", lambda g, k: g.test[k].std()
        ),
        "`noise` is a deviation: take the root": lambda g: {"noise": g.test.var(1).mean()},
        "`noise` is in test": lambda g: {"noise": g.val.var(1).mean().sqrt()},
        "`optimism` compares validation with validation": in_part(
            "optimism", lambda g, k: g.val[k, 0] - g.test[k, 1:].mean()
        ),
        "`optimism` compares with the mean over all seeds: leave the lucky one out": in_part(
            "optimism", lambda g, k: g.val[k, 0] - g.val[k].mean()
        ),
        "the sign of `optimism` is wrong": lambda g: {"optimism": -told_of(g)["optimism"]},
    },
    atol=1e-9,
    rtol=1e-7,
)
def report(lab, given) -> Arrays:
    """`report` chooses by what the search has seen, and scores by what it has not."""
    return dict(lab.report(given.val, given.test))


# Searches that are played -------------------------------------------------------------------------

BUDGET, RANDOM = 32 * EPOCHS, 64


def usual(score: Tensor, count: int) -> Tensor:
    """What the best of `count` random ones has on average."""
    ways = math.comb(len(score), count)
    chance = [math.comb(k, count - 1) / ways for k in range(len(score))]
    return score.sort().values @ torch.tensor(chance, dtype=score.dtype)


def asked(
    player: Player, table: Table, seed: int, heard: list[tuple[int, float]] | None = None
) -> int:
    """The winner of a search that sees what it pays for; ValueError where it breaks the rules.

    `heard` gets what was paid, and the best answer, of each question.
    """
    count = len(table.val_NE)
    trained = torch.zeros(count, dtype=torch.int64)
    said = player.call("begin", table.unit_ND, BUDGET, EPOCHS, seed, returns="int64 [*]")
    while said[0] != 0:
        epochs, place = int(said[0]), said[1:]
        if not (1 <= epochs <= EPOCHS and len(place) and 0 <= place.min() <= place.max() < count):
            raise ValueError(f"it asks for places {place.tolist()} of {count}, {epochs} epochs")
        before = int(trained.sum())
        trained[place] = trained[place].clamp(min=epochs)
        if before == (now := int(trained.sum())):
            raise ValueError("it asks a question whose answer was paid before")
        if now > BUDGET:
            raise ValueError(f"it asks for {now} epochs, of {BUDGET}")
        score = table.val_NE[place, epochs - 1]
        if heard is not None:
            heard.append((now, float(score.max())))
        said = player.call("answer", score, returns="int64 [*]")
    winner = int(said[-1])
    if not 0 <= winner < count:
        raise ValueError(f"it names {winner} as the winner, of {count}")
    return winner


def gains(player: Player, table: Table, rng: torch.Generator, runs: int) -> Tensor:
    """By how many points of accuracy each search beats what 64 random trainings find on average.

    Each time on other four fifths of the table, in another order.
    """
    found = []
    for seed in range(runs):
        part = torch.randperm(len(table.val_NE), generator=rng)[: 4 * len(table.val_NE) // 5]
        drawn = Table(table.unit_ND[part], table.val_NE[part], table.test_NE[part])
        final = drawn.val_NE[:, -1]
        found.append(100 * (final[asked(player, drawn, seed)] - usual(final, RANDOM)))
    return torch.stack(found)


@play("public-table")
def public_play(player: Player, rng: torch.Generator) -> Tensor:
    """How much better than random-64, in points, a search is for half its epochs: public curves."""
    return gains(player, public_table(), rng, 40)


@dream("What your search finds")
def found(player: Player, rng: torch.Generator) -> Iterator[exhibits.Exhibit]:
    """The best so far, after so many epochs, and what random search has by then on average."""
    table, heard = public_table(), list[tuple[int, float]]()
    winner = asked(player, table, int(torch.randint(10**6, (), generator=rng)), heard)
    final, best, rows = table.val_NE[:, -1], 0.0, []
    for paid, score in heard:
        best, count = max(best, score), paid // EPOCHS
        rows.append((paid, best, float(usual(final, count)) if count else 0.0))
    yield exhibits.table("Validation accuracy", ("epochs", "best so far", "random search"), rows)
    yield exhibits.text("The winner", f"configuration {winner}: {final[winner]:.3f}")
