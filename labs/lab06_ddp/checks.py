"""The visible checks of lab 06, in the order of its tasks, with real processes where it matters.

Results of all ranks are stacked: their first index is the rank.
"""

from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import (
    PASS,
    Arrays,
    Given,
    Outcome,
    check,
    every,
    holds,
    integers,
    normal,
    uniform,
)
from dllab.checks.ranks import run_ranks


def network() -> nn.Sequential:
    """A small perceptron: float32 [B, 6] to [B, 4]."""
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 4))


NUMBERS = sum(p.numel() for p in network().parameters())
WEIGHTS = {
    name: normal(*value.shape, std=value.shape[-1] ** -0.5)
    for name, value in network().state_dict().items()
}


def flat(*tensors: Tensor) -> Tensor:
    """All numbers in one vector."""
    return torch.cat([t.detach().float().flatten() for t in tensors])


def filled(given: Given) -> nn.Sequential:
    """`network` with the given weights."""
    net = network()
    net.load_state_dict({name: given[name] for name in WEIGHTS})
    return net


def on_ranks(world: int, work: Callable[[int], Arrays], seconds: float = 8) -> Arrays:
    """What the ranks return, along a new first dimension."""
    results = run_ranks(world, work, seconds)
    return {name: torch.stack([result[name] for result in results]) for name in results[0]}


def alike(value: Tensor, world: int = 3) -> Tensor:
    """The same on every rank."""
    return value.expand(world, *value.shape)


# Equal replicas, equal gradients ------------------------------------------------------------------


def from_rank(rank: int) -> Callable[[Given], Arrays]:
    """What rank `rank` has, on every rank."""
    return lambda g: {name: alike(value[rank]) for name, value in g.items()}


def left(*names: str) -> Callable[[Given], Arrays]:
    """These are on each rank as they were given."""
    return lambda g: {name: g[name] for name in names}


@check(
    "broadcast",
    "All replicas begin alike",
    given={
        "weight": normal(3, 4, 2),
        "running_mean": normal(3, 4),
        "num_batches_tracked": lambda rng: torch.randperm(100, generator=rng)[:3],
    },
    expect=from_rank(0),
    mistakes={
        "the ranks are as they were: is a copy overwritten?": lambda g: g,
        "this is what the last rank has: the source is rank 0": from_rank(2),
        "this is what rank 1 has: the source is rank 0": from_rank(1),
        "this is the mean over the ranks": lambda g: {"weight": alike(g.weight.mean(0))},
        "parameters are sent, buffers are not": left("running_mean", "num_batches_tracked"),
        "buffers of whole numbers are not sent": left("num_batches_tracked"),
        "buffers are sent, parameters are not": left("weight"),
    },
)
def broadcast(lab, given):
    """`broadcast_state` gives every rank the parameters and buffers of rank 0."""

    def work(rank: int) -> Arrays:
        net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
        own = {name: value[rank] for name, value in given.items()}
        net[0].load_state_dict({"weight": own.pop("weight")}, strict=False)
        net[1].load_state_dict(own, strict=False)
        lab.broadcast_state(net)
        state = net[0].state_dict() | dict(net[1].named_buffers())
        return {name: state[name] for name in given}

    return on_ranks(3, work)


def averages(given: Given) -> Arrays:
    """The mean over the ranks, on every rank."""
    return {name: alike(value.mean(0)) for name, value in given.items()}


@check(
    "all-reduce",
    "Gradients are averaged",
    given={"a": normal(3, 5), "b": normal(3, 2, 3)},
    expect=averages,
    mistakes={
        "the sum over the ranks: divide by their number": lambda g: {"a": 3 * averages(g)["a"]},
        "each rank has its own gradients: nothing was exchanged": lambda g: g,
        "each rank has its own gradients, divided: nothing was exchanged": lambda g: {"a": g.a / 3},
        "divided by the ranks twice": lambda g: {"a": averages(g)["a"] / 3},
        "only the first parameter's gradient is averaged": left("b"),
        "only the last parameter's gradient is averaged": left("a"),
    },
    atol=1e-6,
)
def all_reduce(lab, given):
    """After `average_gradients` every rank has the mean of the gradients of all ranks."""
    return on_ranks(3, lambda rank: averaged(lab, {n: v[rank] for n, v in given.items()}))


def averaged(lab, gradients: dict[str, Tensor | None]) -> Arrays:
    """What `average_gradients` makes of the gradients that this rank has."""
    shapes = {"a": (5,), "b": (2, 3)}
    leaves = {name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()}
    for name, gradient in gradients.items():
        leaves[name].grad = None if gradient is None else gradient.clone()
    lab.average_gradients(iter(leaves.values()))
    return {name: leaf.grad for name, leaf in leaves.items()}


# Buckets ------------------------------------------------------------------------------------------

MOST = 25  # numbers of a bucket
FILLED = "parameters in turn, and the bucket of each"


def sizes(rng: torch.Generator) -> Arrays:
    """Draw the sizes of 12 parameters. From the back: one too large for any bucket, two that fill
    one exactly, two that are one number too many, and others.
    """
    first, other = torch.randint(8, 18, (2,), generator=rng).tolist()
    rest = torch.randint(1, 20, (7,), generator=rng).tolist()
    return {"sizes": torch.tensor([40, first, 25 - first, other, 26 - other, *rest]).flip(0)}


def packed(
    unit: int = 1,
    full: Callable[[int, int, int], bool] = lambda size, new, most: size + new > most,
    *,
    backwards: bool = True,
    first: int = 0,
) -> Callable[[Given], Arrays]:
    """The buckets of one who counts, closes and begins so."""

    def answer(given: Given) -> Arrays:
        turn = range(11, -1, -1) if backwards else range(12)
        bucket, size, found = first - 1, 0, []
        for number in turn:
            new = int(given["sizes"][number])
            if bucket < first or full(size, new, MOST * unit):
                bucket, size = bucket + 1, 0
            size += new
            found.append(bucket)
        return {FILLED: torch.tensor([list(turn), found])}

    return answer


@check(
    "buckets",
    "Gradients that travel together",
    given=sizes,
    expect=packed(),
    mistakes={
        "the first bucket must begin with the last parameter": packed(backwards=False),
        "numbers are counted, not bytes": packed(unit=4),
        "each has a bucket of its own: is the size not reset?": packed(full=lambda *_: True),
        "all are in one bucket": packed(full=lambda size, new, most: False),
        "a bucket may be exactly full": packed(full=lambda size, new, most: size + new >= most),
        "closed when it is too large already": packed(full=lambda size, new, most: size > most),
        "the first bucket is empty": packed(first=1),
    },
)
def buckets(lab, given):
    """Buckets take the parameters from the last to the first, as many as fit each time."""
    parameters = [nn.Parameter(torch.zeros(size)) for size in given["sizes"].tolist()]
    number = {id(p): n for n, p in enumerate(parameters)}
    made = lab.make_buckets(parameters, 4 * MOST)
    rows = [(number[id(p)], n) for n, bucket in enumerate(made) for p in bucket]
    return {FILLED: torch.tensor(rows, dtype=torch.int64).reshape(-1, 2).T.contiguous()}


BATCHES = {**WEIGHTS, "x": normal(2, 12, 6), "label": integers(0, 4, 2, 12)}


def note_launches(lab, given):
    """Note, in a world of one, when each bucket is launched, and with how many gradients."""

    def work(_rank: int) -> Arrays:
        net = filled(given)
        parallel = lab.DataParallel(net, most_bytes=160)
        launched, came = [], []
        parallel.launch = lambda number: launched.append((number, len(came)))
        for p in reversed(list(net.parameters())):
            p.register_hook(lambda _gradient: came.append(1))
        F.cross_entropy(net(given.x[0]), given.label[0]).backward()
        sizes = torch.tensor([len(bucket) for bucket in parallel.buckets])
        return {"launched": torch.tensor(launched).reshape(-1, 2).long(), "sizes": sizes}

    return run_ranks(1, work)[0]


@check(
    "ready",
    "A full bucket leaves at once",
    given=BATCHES,
    probe=note_launches,
    returns={"launched": "int64 [*, 2]", "sizes": "int64 [*]"},
    depends_on=("broadcast", "buckets"),
)
def ready(_given, got):
    """Every bucket is launched once, in turn, as soon as the last of its gradients has come."""
    numbers, gradients = got["launched"].unbind(dim=1)
    count, needed = len(got["sizes"]), got["sizes"].cumsum(dim=0)
    if not len(numbers):
        return Outcome(0.0, "no bucket was launched: is self.missing counted down?")
    if not count or numbers.tolist() != list(range(count)):
        often = "a bucket was launched twice: " if len(numbers.unique()) < len(numbers) else ""
        turn = f"expected the buckets 0 to {count - 1} in turn, got {numbers.tolist()}"
        return Outcome(0.0, often + turn)
    told = f"bucket k needs {needed.tolist()} gradients, launched after {gradients.tolist()}"
    return every(
        holds((gradients >= needed).all(), f"launched too early: {told}"),
        holds(gradients[0] < 6, f"launched too late, when all gradients had come: {told}"),
    )


class Noted:
    """An all_reduce that counts its calls, those that do not wait, and the waiting in between."""

    def __init__(self) -> None:
        self.real, self.calls, self.flying, self.waits = dist.all_reduce, 0, 0, 0
        dist.all_reduce = self

    def __call__(self, *args: object, **named: object) -> object:
        """Send, and hand on a handle that counts."""
        self.calls += 1
        handle = self.real(*args, **named)
        if handle is None:
            return None
        self.flying += 1

        def wait() -> None:
            self.waits += 1
            handle.wait()

        return SimpleNamespace(wait=wait, is_completed=handle.is_completed)


def given_gradients(net: nn.Module, numbers: Tensor) -> list[Tensor]:
    """A long vector laid out as the gradients of a network's parameters, the last one first."""
    parameters = list(net.parameters())
    parts = numbers.split([p.numel() for p in parameters])
    for p, part in zip(parameters, parts, strict=True):
        p.grad = part.clone().view_as(p)
    return [p.grad for p in reversed(parameters)]


SENT, COUNTS = "what was sent, summed", "all_reduce: calls, those that do not wait, and waits"
FLIGHT = "self.flights[0] is a tensor and a handle"


def counted(*counts: int) -> Arrays:
    """Calls, and those of them that do not wait, and waits, on both ranks."""
    return {COUNTS: alike(torch.tensor(counts), 2)}


def sent(given: Given, numbers: Tensor) -> Arrays:
    """A vector laid out as the gradients of the only bucket, on both ranks."""
    return {SENT: alike(flat(*given_gradients(filled(given), numbers)), 2)}


@check(
    "launch",
    "One call for a bucket, and no waiting",
    given={**WEIGHTS, "gradient": normal(2, NUMBERS)},
    expect=lambda g: {**sent(g, g.gradient.sum(0)), **counted(1, 1, 0), FLIGHT: [True, True]},
    mistakes={
        "self.flights[number] must be a tensor and the handle": {
            **counted(1, 1, 0),
            FLIGHT: [False, False],
        },
        "nothing was sent: dist.all_reduce does it": counted(0, 0, 0),
        "this waits for the sum: all_reduce returns a handle with async_op=True": counted(1, 0, 0),
        "this waits for the sum: finish does": counted(1, 1, 1),
        "each gradient is sent by itself": counted(6, 6, 0),
        "each gradient is sent by itself, and waited for": counted(7, 1, 0),
        "the parameters were sent, not their gradients": lambda g: {
            SENT: alike(2 * flat(*reversed(list(filled(g).parameters()))), 2)
        },
        "divided already: finish does that": lambda g: sent(g, g.gradient.mean(0)),
        "the bucket's order is another one": lambda g: {SENT: alike(g.gradient.sum(0), 2)},
    },
    depends_on=("broadcast", "buckets"),
)
def launch(lab, given):
    """`launch` sums a bucket's gradients over the ranks as one flat tensor, by an async call."""

    def work(rank: int) -> Arrays:
        net = filled(given)
        parallel = lab.DataParallel(net, most_bytes=1 << 20)
        given_gradients(net, given.gradient[rank])
        noted = Noted()
        parallel.launch(0)
        counts, flight = [noted.calls, noted.flying, noted.waits], parallel.flights.get(0)
        whole = isinstance(flight, tuple | list) and [hasattr(f, "wait") for f in flight] == [0, 1]
        if whole:
            flight[1].wait()
        return {
            SENT: flight[0] if whole else torch.zeros(NUMBERS),
            COUNTS: torch.tensor(counts),
            FLIGHT: torch.tensor(whole),
        }

    return on_ranks(2, work)


AFTER = "the gradient after each of two backward passes"


def gradients(given: Given, *items: slice) -> Tensor:
    """The gradients of both batches, of all or of some of their items. float32 [ranks, 2, N]"""
    net, pairs, found = filled(given), list(zip(given.x, given.label, strict=True)), []
    for chosen in items:
        losses = (F.cross_entropy(net(x[chosen]), y[chosen]) for x, y in pairs)
        found += [flat(*torch.autograd.grad(loss, list(net.parameters()))) for loss in losses]
    return torch.stack(found).unflatten(0, (len(items), 2))


def after(find: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Given], Arrays]:
    """What is found of the gradients of global batches, and of those of each rank's part."""
    parts = [slice(rank, None, 3) for rank in range(3)]
    return lambda g: {AFTER: find(gradients(g, *3 * [slice(None)]), gradients(g, *parts))}


@check(
    "finish",
    "The gradient of the global batch",
    given=BATCHES,
    expect=after(lambda whole, own: whole),
    mistakes={
        "the sum over the ranks: divide by their number": after(lambda whole, own: 3 * whole),
        "divided by the ranks twice": after(lambda whole, own: whole / 3),
        "each rank has its own gradient: write the mean into p.grad": after(lambda whole, own: own),
        "the mean is added to the rank's own gradient": after(lambda whole, own: whole + own),
        "the second pass is not exchanged: reset() is missing": after(
            lambda whole, own: torch.cat([whole[:, :1], own[:, 1:]], 1)
        ),
    },
    atol=1e-6,
    depends_on=("ready", "launch"),
)
def finish(lab, given):
    """After `finish` every rank has the gradient that one process gets from the global batch."""

    def work(rank: int) -> Arrays:
        net, found = filled(given), []
        parallel = lab.DataParallel(net, most_bytes=160)
        for x, label in zip(given.x, given.label, strict=True):
            net.zero_grad()
            F.cross_entropy(net(x[rank::3]), label[rank::3]).backward()
            parallel.finish()
            found.append(flat(*(p.grad for p in net.parameters())))
        return {AFTER: torch.stack(found)}

    return on_ranks(3, work)


# Shards -------------------------------------------------------------------------------------------


def ask_for_orders(lab, given):
    """Ask two ranks for the order of several epochs, and see what has become of the global seed."""
    seed, epoch = int(given.seed), int(given.epoch)

    def order(rank: int, seed: int, epoch: int) -> Tensor:
        shards = lab.Shards(60, 8, seed=seed, rank=rank, world=2)
        shards.set_epoch(epoch)
        torch.rand(rank + 1)  # ranks differ in what they have drawn before
        return shards.order()

    mine, before = order(0, seed, epoch), torch.get_rng_state()
    lab.Shards(60, 8, seed=seed, rank=0, world=2).order()
    alone = torch.tensor(torch.equal(before, torch.get_rng_state()))
    others = [order(1, seed, epoch), order(0, seed, epoch + 1), order(0, seed + 1, epoch)]
    return {"order": torch.stack([mine, *others]), "alone": alone}


@check(
    "order",
    "An order that all ranks share",
    given={"seed": integers(0, 1000), "epoch": integers(1, 50)},
    probe=ask_for_orders,
    returns={"order": "int64 [4, 60]", "alone": "bool []"},
)
def order(_given, got):
    """The order is a permutation, equal on all ranks, and another one in each epoch."""
    mine, other_rank, other_epoch, other_seed = got["order"]
    items = torch.arange(60)
    return every(
        holds((got["order"].sort(dim=1).values == items).all(), "items are missing"),
        holds(not torch.equal(mine, items), "nothing is shuffled"),
        holds(torch.equal(mine, other_rank), "two ranks have different orders"),
        holds(not torch.equal(mine, other_epoch), "two epochs have the same order: use self.epoch"),
        holds(not torch.equal(mine, other_seed), "two seeds have the same order: use self.seed"),
        holds(got["alone"], "the global generator was seeded or used: make one of your own"),
    )


def dealt(lab, order: Tensor, batch_size: int, world: int) -> Arrays:
    """What each rank gets in each step, int64 [ranks, steps, batch_size], -1 where that is less;
    and the number of its steps.
    """
    found = []
    for rank in range(world):
        shards = lab.Shards(len(order), batch_size, seed=0, rank=rank, world=world)
        shards.order = lambda: order
        found.append(list(shards))
    steps = torch.tensor([len(parts) for parts in found])
    table = torch.full((world, int(steps.max()), batch_size), -1)
    for row, parts in zip(table, found, strict=True):
        for cell, part in zip(row, parts, strict=False):
            cell[: len(part)] = part
    return {"dealt": table, "steps": steps}


DEALT = {"dealt": "int64 [*, *, *]", "steps": "int64 [*]"}


def same_shards(got: Arrays, order: Tensor, batch_size: int) -> Outcome:
    """Together the ranks must see, step by step, what one process would; no item twice."""
    batches, steps = order.split(batch_size), got["steps"].tolist()
    if len(set(steps)) > 1:
        told = "a rank that leaves a step out lets the others wait for ever"
        return Outcome(0.0, f"the ranks have {steps} steps: {told}")
    if steps[:1] != [len(batches)] or got["dealt"].shape[1:] != (len(batches), batch_size):
        return Outcome(0.0, f"expected {len(batches)} steps on every rank, got {steps}")
    for step, batch in enumerate(batches):
        parts = [part[part >= 0].tolist() for part in got["dealt"][:, step]]
        outcome = _one_batch(f"step {step}", batch.tolist(), parts)
        if not outcome.ok:
            return outcome
    return PASS


def _one_batch(step: str, batch: list[int], parts: list[list[int]]) -> Outcome:
    """Whether the ranks' parts are one global batch."""
    seen, shares = sorted(item for part in parts for item in part), [len(part) for part in parts]
    told = f"{step}: expected the items {batch}, the ranks got {parts}"
    return every(
        holds(
            min(len(parts), len(batch)) < 2 or any(sorted(p) != sorted(batch) for p in parts),
            f"every rank takes the whole batch: {told}",
        ),
        holds(len(set(seen)) == len(seen), f"an item is dealt twice: {told}"),
        holds(seen == sorted(batch), f"items are missing, or from another batch: {told}"),
        holds(max(shares) - min(shares) < 2, f"{step}: shares of {shares} are hardly even"),
    )


def deal_one_epoch(lab, given) -> Arrays:
    """Three ranks divide 25 items in batches of 8."""
    return dealt(lab, given.order, 8, 3)


@check(
    "shard",
    "Disjoint and complete",
    given={"order": lambda rng: torch.randperm(25, generator=rng)},  # 8, 8, 8 and 1
    probe=deal_one_epoch,
    returns=DEALT,
)
def shard(given, got):
    """In every step the ranks divide one global batch evenly: every item once, none twice."""
    return same_shards(got, given.order, 8)


# What is counted over all ranks -------------------------------------------------------------------

SHARES = (4, 2, 0)


def mean_share(weigh: Callable[[Tensor], Tensor]) -> Callable[[Given], Arrays]:
    """The average of the ranks' shares and its gradient; `weigh` makes it of the items' losses."""

    def answer(given: Given) -> Arrays:
        weight = given.weight.clone().requires_grad_()
        loss = weigh((given.x @ weight - given.y).square())
        return {"loss": loss.detach(), "gradient": torch.autograd.grad(loss, weight)[0]}

    return answer


@check(
    "uneven",
    "Ranks with more, fewer and no items",
    given={"weight": normal(5), "x": normal(6, 5), "y": normal(6, std=3)},
    expect=mean_share(torch.mean),
    mistakes={
        "the mean of the ranks' means: items of a short batch count more": mean_share(
            lambda loss: (loss[:4].mean() + loss[4:].mean()) / 3
        ),
        "nan: a rank without items has no mean, and 0 / 0 is none": {"loss": torch.nan},
        "divided by the ranks once more: the average over ranks does that": mean_share(
            lambda loss: loss.mean() / 3
        ),
        "this is a sum: divide by the items of all ranks": mean_share(lambda loss: loss.sum() / 3),
        "multiplied by the ranks, not divided by the items": mean_share(torch.sum),
    },
    atol=1e-4,
)
def uneven(lab, given):
    """The shares' average, and its gradient, are those of the mean over all items of all ranks."""

    def work(rank: int) -> Arrays:
        weight = given.weight.clone().requires_grad_()
        x, y = (value.split(SHARES)[rank] for value in (given.x, given.y))
        share = lab.share_of_mean((x @ weight - y).square())
        share.backward()
        result = torch.cat([share.detach().reshape(1), weight.grad])
        dist.all_reduce(result)
        return {"loss": result[0] / 3, "gradient": result[1:] / 3}

    return run_ranks(3, work)[0]


def answers(rng: torch.Generator) -> Arrays:
    """Draw labels and predictions for 3 ranks; class 4 comes on one rank alone, class 3 never."""
    label, predicted = torch.randint(3, (2, 3, 20), generator=rng)
    label[2, :5] = predicted[2, 2:7] = 4
    return {"label": label, "predicted": predicted}


def of_rank(given: Given, rank: int) -> tuple[Tensor, Tensor]:
    """The predictions and labels of a rank; the last one has half as many."""
    items = slice(10 if rank == 2 else 20)
    return given.predicted[rank, items], given.label[rank, items]


def counts(given: Given) -> Tensor:
    """Each rank's counts, int64 [3, 5, 5]."""
    pairs = [of_rank(given, rank) for rank in range(3)]
    return torch.stack([F.one_hot(t, 5).T @ F.one_hot(p, 5) for p, t in pairs])


@check(
    "metric",
    "Counts are added, scores are not averaged",
    given=answers,
    expect=lambda g: {"counts": alike(counts(g).sum(0))},
    mistakes={
        "each rank counts its own items: add them up": lambda g: {"counts": counts(g)},
        "counts are averaged: add them up": lambda g: {"counts": alike(counts(g).sum(0) // 3)},
        "rows and columns are swapped: the row is the true class": lambda g: {
            "counts": alike(counts(g).sum(0).T)
        },
    },
)
def metric(lab, given):
    """Every rank gets the counts over the items of all ranks; rows are true classes."""
    return on_ranks(3, lambda rank: {"counts": lab.global_confusion(*of_rank(given, rank), 5)})


STEPS = (0, 3, 9, 10, 11, 500)


def rates(
    share: Callable[[int], float] = lambda step: step / 10, power: float = 1, start: float = 1
) -> Callable[[Given], Arrays]:
    """The rates of one who goes such a share of the way, from such a start, to such a factor."""

    def answer(given: Given) -> Arrays:
        goal = (given.batch / 128) ** power
        way = torch.tensor([*(share(step) if step < 10 else 1.0 for step in STEPS), 1.0])
        name = f"the rates of steps {STEPS} of a warm-up of 10, and of step 0 of none"
        return {name: given.lr * (start + way * (goal - start))}

    return answer


@check(
    "scaled-lr",
    "A larger batch, a larger rate",
    given={"lr": uniform(low=0.01, high=1), "batch": integers(150, 1000)},
    expect=rates(),
    mistakes={
        "there is no warm-up": rates(lambda step: 1),
        "the rate is not scaled by batch / base_batch": rates(power=0),
        "the root of batch / base_batch is Adam's rule": rates(power=0.5),
        "upside down: it is batch / base_batch": rates(power=-1),
        "the warm-up begins at 0: it begins at lr": rates(start=0),
        "the warm-up is a step ahead": rates(lambda step: (step + 1) / 10),
        "the rate jumps from lr at the end of the warm-up": rates(lambda step: 0),
    },
)
def scaled_lr(lab, given):
    """The rate climbs from lr to lr·batch/base_batch in `warmup` steps, and stays there."""
    lr, batch = float(given.lr), int(given.batch)
    found = [lab.scaled_lr(lr, batch, 128, step, 10) for step in STEPS]
    name = next(iter(rates()(given)))
    return {name: torch.tensor([*found, lab.scaled_lr(lr, batch, 128, 0, 0)])}
