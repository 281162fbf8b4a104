"""The visible checks of lab 06, in the order of its tasks, with real processes where it matters."""

from types import ModuleType

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Outcome, check, close, every, holds
from dllab.checks.ranks import run_ranks


def network() -> nn.Sequential:
    """A small perceptron: float32 [B, 6] to [B, 4]."""
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 4))


NAMES = tuple(network().state_dict())
NUMBERS = sum(p.numel() for p in network().parameters())


def flat(tensors: list[Tensor]) -> Tensor:
    """All numbers in one vector."""
    return torch.cat([t.detach().float().flatten() for t in tensors])


def network_given(rng: torch.Generator) -> Arrays:
    """Draw the weights of `network`."""
    state = network().state_dict()
    return {n: torch.randn(v.shape, generator=rng) / v.shape[-1] ** 0.5 for n, v in state.items()}


def filled(given: Arrays) -> nn.Sequential:
    """`network` with the given weights."""
    net = network()
    net.load_state_dict({name: given[name] for name in NAMES})
    return net


def stacked(results: list[Arrays]) -> Arrays:
    """What the ranks returned, along a new first dimension."""
    return {name: torch.stack([result[name] for result in results]) for name in results[0]}


# broadcast ----------------------------------------------------------------------------------------


def broadcast_given(rng: torch.Generator) -> Arrays:
    """Draw weights, statistics and counters for 3 ranks."""
    return {
        "weight": torch.randn(3, 4, 2, generator=rng),
        "mean": torch.randn(3, 4, generator=rng),
        "count": torch.randint(100, (3,), generator=rng),
    }


def broadcast_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Begin with other numbers on each rank."""

    def work(rank: int) -> Arrays:
        net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
        net[0].weight.data.copy_(given["weight"][rank])
        net[1].running_mean.copy_(given["mean"][rank])
        net[1].num_batches_tracked.copy_(given["count"][rank])
        lab.broadcast_state(net)
        norm = net[1]
        return {
            "weight": net[0].weight.detach(),
            "mean": norm.running_mean,
            "count": norm.num_batches_tracked,
        }

    return stacked(run_ranks(3, work))


@check(
    "broadcast",
    "All replicas begin alike",
    given=broadcast_given,
    probe=broadcast_probe,
    returns={"weight": "float32 [3, 4, 2]", "mean": "float32 [3, 4]", "count": "int64 [3]"},
)
def broadcast(given: Arrays, got: Arrays) -> Outcome:
    """`broadcast_state` gives every rank the parameters and buffers of rank 0."""
    return every(
        *(
            close(got[n], given[n][:1].expand_as(given[n]), atol=0, what=f"{n} (first index: rank)")
            for n in got
        )
    )


# all-reduce ---------------------------------------------------------------------------------------


def all_reduce_given(rng: torch.Generator) -> Arrays:
    """Draw gradients for 3 ranks."""
    return {
        "a": torch.randn(3, 5, generator=rng),
        "b": torch.randn(3, 2, 3, generator=rng),
    }


def all_reduce_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Average the gradients of two parameters."""

    def work(rank: int) -> Arrays:
        a, b = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(2, 3))
        a.grad, b.grad = given["a"][rank].clone(), given["b"][rank].clone()
        lab.average_gradients(iter([a, b]))
        return {"a": a.grad, "b": b.grad}

    return stacked(run_ranks(3, work))


@check(
    "all-reduce",
    "Gradients are averaged",
    given=all_reduce_given,
    probe=all_reduce_probe,
    returns={"a": "float32 [3, 5]", "b": "float32 [3, 2, 3]"},
)
def all_reduce(given: Arrays, got: Arrays) -> Outcome:
    """After `average_gradients` every rank has the mean of the gradients of all ranks."""
    means = {name: value.mean(dim=0).expand_as(value) for name, value in given.items()}
    what = "a gradient (first index: rank)"
    return every(*(close(got[name], means[name], atol=1e-6, what=what) for name in got))


# buckets ------------------------------------------------------------------------------------------

MOST_BYTES = 100


def buckets_given(rng: torch.Generator) -> Arrays:
    """Draw the sizes of 12 parameters, one of them too large for any bucket."""
    sizes = torch.randint(1, 20, (12,), generator=rng)
    sizes[int(torch.randint(12, (), generator=rng))] = 40
    return {"sizes": sizes}


def buckets_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Fill buckets of 100 bytes: 25 numbers."""
    parameters = [nn.Parameter(torch.zeros(size)) for size in given["sizes"].tolist()]
    number = {id(p): n for n, p in enumerate(parameters)}
    buckets = lab.make_buckets(parameters, MOST_BYTES)
    rows = [(number[id(p)], n) for n, bucket in enumerate(buckets) for p in bucket]
    return {"filled": torch.tensor(rows).reshape(-1, 2)}


@check(
    "buckets",
    "Gradients that travel together",
    given=buckets_given,
    probe=buckets_probe,
    returns={"filled": "int64 [*, 2]"},
)
def buckets(given: Arrays, got: Arrays) -> Outcome:
    """Buckets take the parameters from the last to the first, as many as fit each time."""
    expected, bucket, room = [], -1, -1
    for number in range(11, -1, -1):
        size = 4 * int(given["sizes"][number])
        if size > room:
            bucket, room = bucket + 1, MOST_BYTES
        expected.append([number, bucket])
        room -= size
    message = f"[parameter, bucket] in turn: expected {expected}, got {got['filled'].tolist()}"
    sizes = f"sizes in bytes {(4 * given['sizes']).tolist()}, at most {MOST_BYTES} a bucket"
    return holds(got["filled"].tolist() == expected, f"{message}; {sizes}")


# ready, launch, finish ----------------------------------------------------------------------------


def batch_given(rng: torch.Generator) -> Arrays:
    """Draw weights and two global batches of 12."""
    return {
        **network_given(rng),
        "x": torch.randn(2, 12, 6, generator=rng),
        "label": torch.randint(4, (2, 12), generator=rng),
    }


def ready_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Note, in a world of one, when each bucket is launched, and with how many gradients."""

    def work(_rank: int) -> Arrays:
        net = filled(given)
        parallel = lab.DataParallel(net, most_bytes=160)
        launched, came = [], []
        parallel.launch = lambda number: launched.append((number, len(came)))
        for p in reversed(list(net.parameters())):
            p.register_hook(lambda _gradient: came.append(1))
        F.cross_entropy(net(given["x"][0]), given["label"][0]).backward()
        sizes = torch.tensor([len(bucket) for bucket in parallel.buckets])
        return {"launched": torch.tensor(launched).reshape(-1, 2), "sizes": sizes}

    return run_ranks(1, work)[0]


@check(
    "ready",
    "A full bucket leaves at once",
    given=batch_given,
    probe=ready_probe,
    returns={"launched": "int64 [*, 2]", "sizes": "int64 [*]"},
    depends_on=("broadcast", "buckets"),
)
def ready(_given: Arrays, got: Arrays) -> Outcome:
    """Every bucket is launched once, in turn, as soon as the last of its gradients has come."""
    numbers, gradients = got["launched"].unbind(dim=1)
    count, needed = len(got["sizes"]), got["sizes"].cumsum(dim=0)
    turn = f"expected the buckets 0 to {count - 1} in turn, got {numbers.tolist()}"
    if not count or numbers.tolist() != list(range(count)):
        return Outcome(0.0, turn)
    early = f"bucket k needs {needed.tolist()} gradients, launched after {gradients.tolist()}"
    return every(
        holds((gradients >= needed).all(), f"launched too early: {early}"),
        holds(gradients[0] < 6, f"launched too late, when all gradients had come: {early}"),
    )


def launch_given(rng: torch.Generator) -> Arrays:
    """Draw the gradients of two ranks."""
    return {**network_given(rng), "gradient": torch.randn(2, NUMBERS, generator=rng)}


def give_gradients(net: nn.Module, numbers: Tensor) -> None:
    """Lay a long vector out as the gradients of a network."""
    parameters = list(net.parameters())
    for p, part in zip(parameters, numbers.split([p.numel() for p in parameters]), strict=True):
        p.grad = part.clone().view_as(p)


def launch_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Launch the only bucket; note the calls, and wait for what it brings."""

    def work(rank: int) -> Arrays:
        net = filled(given)
        parallel = lab.DataParallel(net, most_bytes=1 << 20)
        give_gradients(net, given["gradient"][rank])
        calls, real = [], dist.all_reduce

        def noted(*args: object, **named: object) -> object:
            calls.append(bool(named.get("async_op", False)))
            return real(*args, **named)

        dist.all_reduce = noted
        parallel.launch(0)
        together, handle = parallel.flights[0]
        handle.wait()
        return {"sum": together, "calls": torch.tensor([len(calls), sum(calls)])}

    return stacked(run_ranks(2, work))


@check(
    "launch",
    "One call for a bucket, and no waiting",
    given=launch_given,
    probe=launch_probe,
    returns={"sum": f"float32 [2, {NUMBERS}]", "calls": "int64 [2, 2]"},
    depends_on=("broadcast", "buckets"),
)
def launch(given: Arrays, got: Arrays) -> Outcome:
    """`launch` sums a bucket's gradients over the ranks as one flat tensor, by an async call."""
    net = network()
    give_gradients(net, given["gradient"].sum(dim=0))
    expected = flat([p.grad for p in reversed(list(net.parameters()))])
    calls, waiting = got["calls"][0].tolist()
    return every(
        holds(calls == 1, f"expected one all_reduce for the bucket, got {calls}"),
        holds(waiting == 1, "the all_reduce waits for its result: async_op=True does not"),
        close(got["sum"], expected.expand(2, -1), atol=1e-5, what="the sum (first index: rank)"),
    )


def finish_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Two backward passes on a third of a global batch each; the gradients after each."""

    def work(rank: int) -> Arrays:
        net, found = filled(given), []
        parallel = lab.DataParallel(net, most_bytes=160)
        for x, label in zip(given["x"], given["label"], strict=True):
            net.zero_grad()
            F.cross_entropy(net(x[rank::3]), label[rank::3]).backward()
            parallel.finish()
            found.append(flat([p.grad for p in net.parameters()]))
        return {"gradient": torch.stack(found)}

    return stacked(run_ranks(3, work))


@check(
    "finish",
    "The gradient of the global batch",
    given=batch_given,
    probe=finish_probe,
    returns={"gradient": f"float32 [3, 2, {NUMBERS}]"},
    depends_on=("ready", "launch"),
)
def finish(given: Arrays, got: Arrays) -> Outcome:
    """After `finish` every rank has the gradient that one process gets from the global batch."""
    net, expected = filled(given), []
    for x, label in zip(given["x"], given["label"], strict=True):
        loss = F.cross_entropy(net(x), label)
        expected.append(flat(list(torch.autograd.grad(loss, list(net.parameters())))))
    what = "a gradient (indices: rank, backward pass, number)"
    return close(got["gradient"], torch.stack(expected).expand(3, -1, -1), atol=1e-6, what=what)


# order, shard -------------------------------------------------------------------------------------


def order_given(rng: torch.Generator) -> Arrays:
    """Draw a seed and an epoch."""
    return {
        "seed": torch.randint(1000, (), generator=rng),
        "epoch": torch.randint(1, 50, (), generator=rng),
    }


def order_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Ask two ranks for the order of several epochs."""
    seed, epoch = int(given["seed"]), int(given["epoch"])

    def order(rank: int, seed: int, epoch: int) -> Tensor:
        shards = lab.Shards(60, 8, seed=seed, rank=rank, world=2)
        shards.set_epoch(epoch)
        torch.rand(rank + 1)  # ranks differ in what they have drawn before
        return shards.order()

    cases = [(0, seed, epoch), (1, seed, epoch), (0, seed, epoch + 1), (0, seed + 1, epoch)]
    return {"order": torch.stack([order(*case) for case in cases])}


@check(
    "order",
    "An order that all ranks share",
    given=order_given,
    probe=order_probe,
    returns={"order": "int64 [4, 60]"},
)
def order(_given: Arrays, got: Arrays) -> Outcome:
    """The order is a permutation, equal on all ranks, and another one in each epoch."""
    mine, other_rank, other_epoch, other_seed = got["order"]
    everything = torch.arange(60).expand(4, -1)
    return every(
        holds(torch.equal(got["order"].sort(dim=1).values, everything), "it is no permutation"),
        holds(torch.equal(mine, other_rank), "two ranks have different orders"),
        holds(not torch.equal(mine, other_epoch), "two epochs have the same order"),
        holds(not torch.equal(mine, other_seed), "two seeds have the same order"),
    )


def shard_given(rng: torch.Generator) -> Arrays:
    """Draw an order of 25 items: three global batches of 8, and one of a single item."""
    return {"order": torch.randperm(25, generator=rng)}


def dealt(lab: ModuleType, order: Tensor, batch_size: int, world: int) -> Tensor:
    """What each rank gets in each step, int64 [ranks, steps, batch_size]; -1 where it is less."""
    found = []
    for rank in range(world):
        shards = lab.Shards(len(order), batch_size, seed=0, rank=rank, world=world)
        shards.order = lambda: order
        parts = list(shards)
        found.append(torch.full((len(parts), batch_size), -1))
        for row, part in zip(found[-1], parts, strict=True):
            row[: len(part)] = part
    return torch.stack(found)


def shard_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Deal 25 items to 3 ranks, 8 a step."""
    return {"dealt": dealt(lab, given["order"], 8, 3)}


def same_shards(got: Tensor, order: Tensor, batch_size: int) -> Outcome:
    """Together the ranks must see, step by step, what one process would; no item twice."""
    steps = got.shape[1]
    batches = order.split(batch_size)
    if steps != len(batches):
        return Outcome(0.0, f"expected {len(batches)} steps on every rank, got {steps}")
    for step, batch in enumerate(batches):
        seen = got[:, step][got[:, step] >= 0]
        shares = (got[:, step] >= 0).sum(dim=1).tolist()
        if seen.sort().values.tolist() != batch.sort().values.tolist():
            message = f"step {step}: expected the items {batch.tolist()}, the ranks got "
            return Outcome(0.0, f"{message}{[r[r >= 0].tolist() for r in got[:, step]]}")
        if max(shares) - min(shares) > 1:
            return Outcome(0.0, f"step {step}: the ranks' shares are {shares}, hardly even")
    return Outcome(1.0)


@check(
    "shard",
    "Disjoint and complete",
    given=shard_given,
    probe=shard_probe,
    returns={"dealt": "int64 [3, *, 8]"},
)
def shard(given: Arrays, got: Arrays) -> Outcome:
    """In every step the ranks divide one global batch evenly: every item once, none twice."""
    return same_shards(got["dealt"], given["order"], 8)


# uneven -------------------------------------------------------------------------------------------

SHARES = (4, 2, 0)


def uneven_given(rng: torch.Generator) -> Arrays:
    """Draw inputs and targets of a linear regression, for ranks with 4, 2 and no items."""
    return {
        "weight": torch.randn(5, generator=rng),
        "x": torch.randn(6, 5, generator=rng),
        "y": 3 * torch.randn(6, generator=rng),
    }


def uneven_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Differentiate each rank's share, and average over the ranks."""

    def work(rank: int) -> Arrays:
        weight = given["weight"].clone().requires_grad_()
        x, y = (given[name].split(SHARES)[rank] for name in ("x", "y"))
        share = lab.share_of_mean((x @ weight - y).square())
        share.backward()
        result = torch.cat([share.detach().reshape(1), weight.grad])
        dist.all_reduce(result)
        return {"loss": result[0] / 3, "gradient": result[1:] / 3}

    return run_ranks(3, work)[0]


@check(
    "uneven",
    "Ranks with more, fewer and no items",
    given=uneven_given,
    probe=uneven_probe,
    returns={"loss": "float32 []", "gradient": "float32 [5]"},
)
def uneven(given: Arrays, got: Arrays) -> Outcome:
    """The shares' average, and its gradient, are those of the mean over all items of all ranks."""
    weight = given["weight"].clone().requires_grad_()
    loss = (given["x"] @ weight - given["y"]).square().mean()
    (gradient,) = torch.autograd.grad(loss, weight)
    return every(
        close(got["loss"], loss.detach(), atol=1e-4, what="the average of the shares"),
        close(got["gradient"], gradient, atol=1e-4, what="its gradient"),
    )


# metric -------------------------------------------------------------------------------------------


def metric_given(rng: torch.Generator) -> Arrays:
    """Draw labels and predictions for 3 ranks; class 4 comes on one rank alone, class 3 never."""
    label = torch.randint(3, (3, 20), generator=rng)
    predicted = torch.randint(3, (3, 20), generator=rng)
    label[2, :5] = predicted[2, 2:7] = 4
    return {"label": label, "predicted": predicted}


def metric_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Count on ranks with 20, 20 and 10 items."""

    def work(rank: int) -> Arrays:
        items = slice(10 if rank == 2 else 20)
        predicted, label = given["predicted"][rank, items], given["label"][rank, items]
        return {"counts": lab.global_confusion(predicted, label, 5)}

    return stacked(run_ranks(3, work))


@check(
    "metric",
    "Counts are added, scores are not averaged",
    given=metric_given,
    probe=metric_probe,
    returns={"counts": "int64 [3, 5, 5]"},
)
def metric(given: Arrays, got: Arrays) -> Outcome:
    """Every rank gets the counts over the items of all ranks; rows are true classes."""
    label, predicted = (
        torch.cat([given[n][0], given[n][1], given[n][2, :10]]) for n in ("label", "predicted")
    )
    expected = torch.zeros(5, 5, dtype=torch.int64)
    for true, said in zip(label.tolist(), predicted.tolist(), strict=True):
        expected[true, said] += 1
    what = "a count (indices: rank, true class, predicted class)"
    return close(got["counts"], expected.expand(3, -1, -1), atol=0, what=what)


# scaled-lr ----------------------------------------------------------------------------------------


def scaled_given(rng: torch.Generator) -> Arrays:
    """Draw a rate and a factor."""
    return {
        "lr": 0.01 + torch.rand((), generator=rng),
        "batch": 64 * torch.randint(1, 20, (), generator=rng),
    }


def scaled_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Ask for the rate along a warm-up of 10 steps, and without one."""
    lr, batch = float(given["lr"]), int(given["batch"])
    rates = [lab.scaled_lr(lr, batch, 128, step, 10) for step in (0, 3, 10, 11, 500)]
    return {"rate": torch.tensor([*rates, lab.scaled_lr(lr, batch, 128, 0, 0)])}


@check(
    "scaled-lr",
    "A larger batch, a larger rate",
    given=scaled_given,
    probe=scaled_probe,
    returns={"rate": "float32 [6]"},
)
def scaled_lr(given: Arrays, got: Arrays) -> Outcome:
    """The rate climbs from lr to lr·batch/base_batch in `warmup` steps, and stays there."""
    lr, target = given["lr"], given["lr"] * given["batch"] / 128
    expected = torch.stack([lr, lr + 0.3 * (target - lr), *[target] * 4])
    return close(got["rate"], expected, what="the rate at steps 0, 3, 10, 11, 500; 0 of 0")
