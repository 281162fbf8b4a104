"""Bare PyTorch for lab 03's arms `vowels` and `reviews`: sequences of unequal length.

    python -m bench.sides.bare_series ARM items|memory [--workers N] [--epochs N] [--until SCORE]
        [--seed N]

The net is the lab's, with AdamW under one cycle, clipped gradients and, where the lab has them,
weights of the classes. `items` pads each batch of a DataLoader to its longest sequence; `memory`
cuts batches out of one padded tensor. Both are judged by loss and balanced accuracy after each
epoch. Tells the price of loading and fitting, without the imports.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset

from bench.measure import Stopwatch, tell
from bench.sides.reference import reference
from bench.sides.words import words
from dllab.data import load

Batch = dict[str, Tensor]


class Sequences(Dataset[Batch]):
    """One sequence at a time, as long as it is."""

    def __init__(self, tensors: Batch) -> None:
        self.tensors, self.field = tensors, field(tensors)

    def __len__(self) -> int:
        return len(self.tensors["label"])

    def __getitem__(self, index: int) -> Batch:
        item = {name: value[index] for name, value in self.tensors.items()}
        return {**item, self.field: item[self.field][: item["lengths"]]}


def field(tensors: Batch) -> str:
    """What the sequences are called."""
    return "series" if "series" in tensors else "tokens"


def collate(items: list[Batch]) -> Batch:
    """Pad to the longest of the batch."""
    name = field(items[0])
    return {
        name: pad_sequence([item[name] for item in items], batch_first=True),
        "lengths": torch.stack([item["lengths"] for item in items]),
        "label": torch.stack([item["label"] for item in items]),
    }


class Memory:
    """The padded tensors, cut into batches."""

    def __init__(self, tensors: Batch, batch_size: int, *, shuffle: bool) -> None:
        self.tensors, self.batch_size, self.shuffle = tensors, batch_size, shuffle

    def __len__(self) -> int:
        return math.ceil(len(self.tensors["label"]) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        count = len(self.tensors["label"])
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for chosen in order.split(self.batch_size):
            yield {name: value[chosen] for name, value in self.tensors.items()}


def feed(tensors: Batch, kind: str, batch_size: int, workers: int, *, shuffle: bool) -> Any:
    """Batches of one kind."""
    if kind == "memory":
        return Memory(tensors, batch_size, shuffle=shuffle)
    kept = {"num_workers": workers, "persistent_workers": workers > 0, "collate_fn": collate}
    return DataLoader(Sequences(tensors), batch_size, shuffle=shuffle, **kept)


def fit(model: nn.Module, batches: Any, val: Any, epochs: int, *, until: float) -> bool:
    """Train until the balanced accuracy is reached on `val`; whether it was."""
    optimizer = torch.optim.AdamW(model.parameters(), model.lr, weight_decay=model.weight_decay)
    steps = epochs * len(batches)
    schedule = OneCycleLR(optimizer, model.lr, total_steps=steps, pct_start=0.1)
    for _ in range(epochs):
        model.train()
        for batch in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(batch), batch["label"], weight=model.class_weight).backward()
            clip_grad_norm_(model.parameters(), model.clip)
            optimizer.step()
            schedule.step()
        if balanced_accuracy(model, val) >= until:
            return True
    return False


@torch.inference_mode()
def balanced_accuracy(model: nn.Module, batches: Any) -> float:
    """The mean of the classes' recalls; the loss is taken too, as a curve would want it."""
    model.eval()
    loss, hits, counts = 0.0, [], []
    for batch in batches:
        logits, label = model(batch), batch["label"]
        loss += F.cross_entropy(logits, label, weight=model.class_weight, reduction="sum")
        classes = logits.shape[1]
        hits.append(label[logits.argmax(dim=1) == label].bincount(minlength=classes))
        counts.append(label.bincount(minlength=classes))
    return float((sum(hits) / sum(counts)).mean())


def main() -> None:
    args = words(__doc__, ["vowels", "reviews"])
    torch.manual_seed(args.seed)
    module, config = reference("03", args.task)
    model, batch_size = module.Model(**config.model), config.data["batch_size"]
    watch = Stopwatch()
    train, val = (load(config.data["name"], split) for split in ("train", "val"))
    if "series" in train:
        model.encoder.mean, model.encoder.std = module.series_statistics(
            train["series"], train["lengths"]
        )
    if model.balanced:
        model.class_weight = module.balanced_weights(train["label"], len(model.class_weight))
    batches = feed(train, args.feed, batch_size, args.workers, shuffle=True)
    judged = feed(val, args.feed, batch_size, args.workers, shuffle=False)
    reached = fit(model, batches, judged, args.epochs, until=args.until)
    tell(watch.read(), reached=reached)


if __name__ == "__main__":
    main()
