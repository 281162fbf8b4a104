"""P3: whole-tensor batches against a per-item DataLoader, and against bare indexing.

Fashion-MNIST's released training rows in shuffled batches of 128. Against the DataLoader each
picture is flipped with chance one half, scaled and normalised; bare indexing does none of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from bench.fashion import MEAN, STD, pictures
from bench.measure import Cost, Plan, Result, interleave, judged, main, middle, ratios, timed
from dllab.data import BatchLoader, load

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
from torchvision.transforms import v2

BATCH = 128
PASSES = 30  # bare indexing is over too soon to be timed once

Batch = dict[str, Tensor]
to_float = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([MEAN], [STD])])


def augment(batch: Batch) -> Batch:
    """What the DataLoader's transforms do, on a whole batch, each picture with its own chance."""
    image = batch["image"]
    flipped = torch.rand(len(image), 1, 1, 1) < 0.5
    return {**batch, "image": to_float(torch.where(flipped, image.flip(-1), image))}


def bare(tensors: Batch) -> Iterable[Batch]:
    """What nobody can undercut: one permutation, and indexing."""
    order = torch.randperm(len(tensors["label"]))
    return ({k: v[chosen] for k, v in tensors.items()} for chosen in order.split(BATCH))


def price(batches: Iterable[Any]) -> Cost:
    """One pass over all batches."""
    return timed(lambda: [None for _ in batches])


def measure(plan: Plan) -> Iterator[Result]:
    """Both comparisons of P3."""
    torch.set_num_threads(1)
    tensors = load("fashion_mnist", "train")
    transforms = [v2.RandomHorizontalFlip()]
    items = DataLoader(pictures("train", transforms), BATCH, shuffle=True)
    batches = BatchLoader(tensors, BATCH, shuffle=True, transform=augment)
    plain = BatchLoader(tensors, BATCH, shuffle=True)
    price(batches)  # neither side pays for the first touch
    costs = interleave(plan.pairs, {"items": lambda: price(items), "ours": lambda: price(batches)})
    yield _compared("P3-items", costs["items"], costs["ours"])
    costs = interleave(
        plan.pairs,
        {
            "bare": lambda: timed(lambda: [None for _ in range(PASSES) for _ in bare(tensors)]),
            "ours": lambda: timed(lambda: [None for _ in range(PASSES) for _ in plain]),
        },
    )
    yield _compared("P3-raw", costs["bare"], costs["ours"])


def _compared(id: str, theirs: list[Cost], ours: list[Cost]) -> Result:
    cpu = middle(theirs) / max(middle(ours), 0.01)
    return judged(id, ratios(theirs, ours, "wall_s"), f"wall; by CPU-s {cpu:.2f} x; one thread")


if __name__ == "__main__":
    main(measure)
