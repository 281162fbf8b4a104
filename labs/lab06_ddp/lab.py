"""Lab 06: data-parallel training by hand, from the first broadcast to overlapping buckets.

Work through the TODOs from top to bottom. `pytest labs/lab06_ddp` checks them with real processes,
`dllab hint 06 TASK` helps. `dllab train 06` trains on one process, with `hardware=ddp_cpu` on two,
through your own code.

Every process, called a rank, runs this same file. `dist.get_rank()` tells who you are,
`dist.get_world_size()` how many there are. A collective call (broadcast, all_reduce) returns when
every rank has made it: leave one out and all others wait.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dllab.data.module import SplitData
from labs.lab06_ddp.given import farthest_from_rank_0, join_world


def broadcast_state(module: nn.Module) -> None:
    """Give every rank the parameters and buffers of rank 0, in place."""
    # TODO broadcast: make all ranks equal.
    # dist.broadcast(tensor, src) sends from rank src and overwrites elsewhere. state_dict() holds
    # parameters and buffers, detached from the graph but in the same memory.
    raise NotImplementedError("TODO broadcast: make all ranks equal.")


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its mean over all ranks: the simple version, one call for each.

    A rank that did not use a parameter has no gradient for it; that counts as zeros.
    """
    # TODO all-reduce: average p.grad over the ranks, in place.
    # dist.all_reduce(tensor) replaces a tensor by the sum over all ranks. Every rank must call it
    # for the same parameters, in the same order.
    raise NotImplementedError("TODO all-reduce: average p.grad over the ranks, in place.")


def make_buckets(parameters: Sequence[Tensor], most_bytes: int) -> list[list[Tensor]]:
    """Group parameters into buckets whose gradients travel together.

    The backward pass reaches the last layer first, so the first bucket begins with the last
    parameter. A bucket takes the next parameter unless that makes it larger than `most_bytes`; one
    that is too large by itself has a bucket of its own.
    """
    # TODO buckets: return the buckets, each a list of parameters.
    # tensor.nbytes is the size of a tensor.
    raise NotImplementedError("TODO buckets: return the buckets, each a list of parameters.")


class DataParallel:
    """Keeps the replicas of a module equal: `loss.backward()`, `finish()`, `optimizer.step()`.

    Gradients of a bucket are on their way while the backward pass still computes those of the
    layers below (Li et al., 2020).
    """

    def __init__(self, module: nn.Module, most_bytes: int = 1 << 18) -> None:
        broadcast_state(module)
        learning = [p for p in module.parameters() if p.requires_grad]
        self.buckets = make_buckets(learning, most_bytes)
        self.bucket_of = {p: n for n, bucket in enumerate(self.buckets) for p in bucket}
        self.reset()
        for p in learning:
            p.register_post_accumulate_grad_hook(self.ready)

    def reset(self) -> None:
        """Before a backward pass: no gradient is ready, no bucket is on its way."""
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flights: dict[int, tuple[Tensor, dist.Work]] = {}

    def ready(self, parameter: Tensor) -> None:
        """The backward pass calls this as soon as `parameter.grad` is complete."""
        # TODO ready: launch a bucket when its last gradient has come.
        # self.bucket_of[parameter] is its number, self.missing[number] says how many are missing.
        raise NotImplementedError("TODO ready: launch a bucket when its last gradient has come.")

    def launch(self, number: int) -> None:
        """Send a bucket on its way: one flat tensor of all its gradients, and no waiting."""
        # TODO launch: set self.flights[number], a tensor and a handle.
        # Join the bucket's gradients, in its order, to one flat tensor. dist.all_reduce takes
        # async_op=True, and then returns a handle at once. `finish` waits for it, and divides.
        raise NotImplementedError("TODO launch: set self.flights[number], a tensor and a handle.")

    def finish(self) -> None:
        """After the backward pass: wait for every bucket, and put the means into the gradients."""
        # TODO finish: write the mean gradients, then reset.
        # handle.wait() returns when the sum has come; divide it by the number of ranks.
        # Tensor.split takes a list of sizes. Every parameter has a gradient here, so every bucket
        # was launched.
        raise NotImplementedError("TODO finish: write the mean gradients, then reset.")


class Shards:
    """Which items this rank takes in each step: its part of every global batch.

    An epoch's order depends on seed and epoch alone, so that all ranks agree on it. The last global
    batch may be short; then some ranks get fewer items than others, or none.
    """

    def __init__(self, items: int, batch_size: int, *, seed: int, rank: int, world: int) -> None:
        self.items, self.batch_size, self.seed = items, batch_size, seed
        self.rank, self.world = rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this."""
        self.epoch = epoch

    def order(self) -> Tensor:
        """All items in the order of this epoch, int64 [items], the same on every rank."""
        # TODO order: return a permutation for self.seed and self.epoch.
        # A torch.Generator of your own, seeded from both, leaves the global one alone.
        raise NotImplementedError("TODO order: return a permutation for self.seed and self.epoch.")

    def __len__(self) -> int:
        """The number of steps, the same on every rank."""
        return math.ceil(self.items / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        """This rank's items, int64 [B] for each step."""
        # TODO shard: yield this rank's part of every global batch.
        # The global batches are what one process would see: order().split(self.batch_size). Of
        # each, rank r takes the items r, r + world, r + 2·world, … Every rank has len(self) steps.
        raise NotImplementedError("TODO shard: yield this rank's part of every global batch.")


def share_of_mean(loss_B: Tensor) -> Tensor:
    """This rank's share of the mean loss over all items of all ranks, float32 [].

    Its gradient, averaged over the ranks, is the gradient of that mean: also where the ranks have
    different numbers of items, and where one has none.
    """
    # TODO uneven: return the share.
    # The mean of means is not the mean. Count the items of all ranks with an all_reduce; remember
    # that the average over ranks divides by the world's size.
    raise NotImplementedError("TODO uneven: return the share.")


def macro_f1(confusion_CC: Tensor) -> Tensor:
    """Mean of F1 = 2 TP / (2 TP + FP + FN) over classes, float64 []; rows are true classes.

    A class that neither occurs nor is predicted is left out, as in lab 01.
    """
    twice_C = confusion_CC.sum(0) + confusion_CC.sum(1)
    seen_C = twice_C > 0
    return (2 * confusion_CC.diagonal()[seen_C].double() / twice_C[seen_C]).mean()


def global_confusion(predicted_B: Tensor, label_B: Tensor, classes: int) -> Tensor:
    """How often label i was predicted as j, over the items of all ranks, int64 [C, C]."""
    # TODO metric: count this rank's items, then add all ranks up.
    # bincount(label·classes + predicted) counts pairs; minlength keeps the shape. Counts may be
    # added over ranks, scores such as F1 may not be averaged.
    raise NotImplementedError("TODO metric: count this rank's items, then add all ranks up.")


def scaled_lr(lr: float, batch: int, base_batch: int, step: int, warmup: int) -> float:
    """The rate at `step` (0, 1, …) for a global batch other than the one that `lr` was found for.

    With k = batch / base_batch, it climbs from lr in a straight line, and is k·lr from step
    `warmup` on (Goyal et al., 2017).
    """
    # TODO scaled-lr: return the rate of this step.
    raise NotImplementedError("TODO scaled-lr: return the rate of this step.")


class ShardLoader:
    """Batches of whole tensors, as the shards say."""

    batch_sampler = None  # Lightning asks for it wherever it finds a `sampler`

    def __init__(self, tensors: dict[str, Tensor], shards: Shards) -> None:
        self.tensors, self.sampler = tensors, shards

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for chosen_B in self.sampler:
            yield {name: value[chosen_B] for name, value in self.tensors.items()}


class Data(SplitData):
    """Fashion-MNIST, divided among the ranks by your sampler; `batch_size` is the global one."""

    def train_dataloader(self) -> ShardLoader:
        """This rank's part of every global batch, in a new order each epoch."""
        alone = not dist.is_initialized()
        shards = Shards(
            len(self.train["label"]),
            self.batch_size,
            seed=self.seed,
            rank=0 if alone else dist.get_rank(),
            world=1 if alone else dist.get_world_size(),
        )
        return ShardLoader(self.train, shards)


class Model(LightningModule):
    """A perceptron whose replicas are kept equal by your DataParallel.

    `by_hand=False` leaves that to Lightning, for comparison.
    """

    def __init__(
        self,
        *,
        by_hand: bool = True,
        features: int = 784,
        widths: Sequence[int] = (256, 128),
        classes: int = 10,
        lr: float = 0.1,
        momentum: float = 0.9,
        batch: int = 128,
        base_batch: int = 128,
        warmup: int = 100,
        most_bytes: int = 1 << 18,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # between backward and step stands your finish()
        self.by_hand, self.classes = by_hand, classes
        self.lr, self.momentum = lr, momentum
        self.batch, self.base_batch, self.warmup = batch, base_batch, warmup
        self.most_bytes = most_bytes
        self.parallel: DataParallel | None = None
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([features, *widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], classes))

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, classes], of a batch of raw items."""
        return self.net((batch["image"].flatten(1).float() - 73.0) / 90.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Gradient descent with momentum."""
        return torch.optim.SGD(self.parameters(), self.lr, self.momentum)

    def on_train_start(self) -> None:
        """Take over from Lightning: its wrapper shall not average what you average."""
        self.world_of_one = join_world()
        wrapper = self.trainer.strategy.model
        if self.by_hand and isinstance(wrapper, DistributedDataParallel):
            wrapper.require_backward_grad_sync = False
        self.parallel = DataParallel(self.net, self.most_bytes) if self.by_hand else None

    def on_train_end(self) -> None:
        """Leave a world that was made for this training."""
        if self.world_of_one:
            dist.destroy_process_group()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on this rank's items; afterwards all replicas are equal again."""
        started = time.perf_counter()
        optimizer = self.optimizers()
        for group in optimizer.param_groups:
            group["lr"] = scaled_lr(
                self.lr, self.batch, self.base_batch, self.global_step, self.warmup
            )
        logits_BC = self.predict(batch)
        loss = share_of_mean(F.cross_entropy(logits_BC, batch["label"], reduction="none"))
        optimizer.zero_grad()
        self.manual_backward(loss)
        waiting = time.perf_counter()
        if self.parallel:
            self.parallel.finish()
        waited = time.perf_counter() - waiting
        optimizer.step()
        self.log("train/loss", loss, sync_dist=True)
        share = waited / (time.perf_counter() - started)
        self.log("train/waiting", share, on_step=False, on_epoch=True, sync_dist=True)
        return loss.detach()

    def on_validation_epoch_start(self) -> None:
        """Begin to collect this rank's answers."""
        self.answers: list[tuple[Tensor, Tensor]] = []

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss`, and keep predictions and labels."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        self.answers.append((logits_BC.argmax(dim=1), label_B))
        loss = F.cross_entropy(logits_BC, label_B)
        self.log("val/loss", loss, batch_size=len(label_B), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log accuracy and macro-F1 over the items of all ranks, and how far replicas differ."""
        predicted_B, label_B = (torch.cat(parts) for parts in zip(*self.answers, strict=True))
        confusion_CC = global_confusion(predicted_B, label_B, self.classes)
        hits = confusion_CC.diagonal().sum() / confusion_CC.sum()
        curves = {"val/accuracy": hits.float(), "val/macro_f1": macro_f1(confusion_CC).float()}
        if self.parallel:
            curves["val/replicas_differ"] = farthest_from_rank_0(self.net)
        self.log_dict(curves, sync_dist=True)  # equal on all ranks, and so is their mean
