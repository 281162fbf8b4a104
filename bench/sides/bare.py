"""Bare PyTorch: what a good engineer would write without any framework.

    python -m bench.sides.bare TASK items|memory [--workers N] [--epochs N] [--until ACCURACY]
        [--seed N]

TASK is the number of a lab, whose net, optimiser and schedule it takes, or a public example:
`two-convs`, `dense-128`. `items` is torchvision's data set with its transforms for each picture;
`memory` cuts batches out of whole tensors and augments them whole. After each epoch the validation
split is judged by loss and accuracy. Under torchrun the processes share each batch, and
DistributedDataParallel averages the gradients. Tells the price of loading and fitting, without the
imports; and `fit_s`, the wall time of the fit alone.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from bench.fashion import MEAN, STD, pictures
from bench.measure import Stopwatch, tell
from bench.sides.reference import reference
from bench.sides.words import words
from dllab.data import load

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
from torchvision.transforms import v2

RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


@dataclass
class Task:
    """What a lab trains, and how its pictures are augmented: one by one, or a batch at once."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    batch_size: int
    rate: Callable[[int, int], float] | None = None  # from step and steps
    transforms: Sequence[Any] = ()
    augment: Callable[[Tensor], Tensor] | None = None


def lab_01() -> Task:
    """The perceptron under AdamW."""
    module, config = reference("01")
    model = module.Model(**config.model)
    net = nn.Sequential(nn.Flatten(), model.net)
    optimizer = torch.optim.AdamW(net.parameters(), model.lr, weight_decay=model.weight_decay)
    return Task(net, optimizer, config.data["batch_size"])


def lab_02() -> Task:
    """The residual network under SGD on one cycle."""
    module, config = reference("02")
    model = module.Model(**config.model)
    optimizer = torch.optim.SGD(
        model.net.parameters(),
        model.lr,
        model.momentum,
        weight_decay=model.weight_decay,
        nesterov=True,
    )
    transforms = [v2.RandomCrop(28, padding=1), v2.RandomHorizontalFlip()]

    def augment(image: Tensor) -> Tensor:
        return module.mirror(module.shift(image))

    batch_size = config.data["batch_size"]
    return Task(model.net, optimizer, batch_size, module.one_cycle, transforms, augment)


def two_convs() -> Task:
    """The MNIST example of pytorch/examples: its net, Adadelta, and a rate that falls 14 times."""
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    return Task(net, optimizer, batch_size=64, rate=lambda step, steps: 0.7 ** (14 * step // steps))


def dense_128() -> Task:
    """TensorFlow's basic classification of clothing, with Keras's defaults for layers and Adam."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    for layer in (net[1], net[3]):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return Task(net, torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7), batch_size=32)


TASKS = {"01": lab_01, "02": lab_02, "two-convs": two_convs, "dense-128": dense_128}


class Memory:
    """Whole tensors, cut into batches; normalised once, unless they are augmented before."""

    def __init__(
        self, split: str, batch_size: int, augment: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        tensors = load("fashion_mnist", split)
        self.image, self.label = tensors["image"], tensors["label"]
        self.batch_size, self.shuffle, self.augment = batch_size // WORLD, split == "train", augment
        self.order = torch.Generator().manual_seed(0)  # the same on every rank
        if not augment:
            self.image = _to_float(self.image)

    def __len__(self) -> int:
        return math.ceil(len(self.label) // WORLD / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.label)
        order = torch.arange(count)
        if self.shuffle:
            order = torch.randperm(count, generator=self.order)
        for chosen in order[RANK::WORLD].split(self.batch_size):
            image = self.image[chosen]
            yield _to_float(self.augment(image)) if self.augment else image, self.label[chosen]


def _to_float(image: Tensor) -> Tensor:
    return (image.float() / 255 - MEAN) / STD


def feeds(task: Task, feed: str, workers: int) -> tuple[Any, Any]:
    """Batches to train on and to validate with: float32 [B, 1, 28, 28], int64 [B]."""
    if feed == "memory":
        return Memory("train", task.batch_size, task.augment), Memory("val", task.batch_size)
    kept = {"num_workers": workers, "persistent_workers": workers > 0}
    train = DataLoader(pictures("train", task.transforms), task.batch_size, shuffle=True, **kept)
    return train, DataLoader(pictures("val"), task.batch_size, **kept)


def fit(task: Task, train: Any, val: Any, epochs: int, *, until: float) -> bool:
    """Train until the validation accuracy is reached; whether it was."""
    steps = epochs * len(train)
    rate = task.rate or (lambda *_: 1.0)
    schedule = LambdaLR(task.optimizer, lambda step: rate(step, steps))
    net = DistributedDataParallel(task.net) if WORLD > 1 else task.net
    for _ in range(epochs):
        net.train()
        for image, label in train:
            task.optimizer.zero_grad()
            F.cross_entropy(net(image), label).backward()
            task.optimizer.step()
            schedule.step()
        if accuracy(task.net, val) >= until:
            return True
    return False


@torch.inference_mode()
def accuracy(net: nn.Module, batches: Any) -> float:
    """On all batches; the loss is taken too, as a curve would want it."""
    net.eval()
    loss, hits, count = torch.zeros(3)
    for image, label in batches:
        logits = net(image)
        loss += F.cross_entropy(logits, label, reduction="sum")
        hits += (logits.argmax(dim=1) == label).sum()
        count += len(label)
    total = torch.stack([hits, count])
    if WORLD > 1:
        distributed.all_reduce(total)
    return float(total[0] / total[1])


def main() -> None:
    args = words(__doc__, TASKS)
    torch.manual_seed(args.seed)
    task = TASKS[args.task]()
    watch = Stopwatch()
    train, val = feeds(task, args.feed, args.workers)
    if WORLD > 1:
        distributed.init_process_group("gloo")
    before = watch.read().wall_s
    reached = fit(task, train, val, args.epochs, until=args.until)
    tell(watch.read(), reached=reached, fit_s=watch.read().wall_s - before)
    if WORLD > 1:
        distributed.destroy_process_group()  # else a rank may abort as it ends


if __name__ == "__main__":
    main()
