"""P3: whole-tensor batches against a per-item DataLoader, and against bare indexing.

    python -m bench.loader [--pairs 7] [--json FILE]

Each pair runs both sides, one after the other, over Fashion-MNIST's released training rows:
shuffled batches of 128, each picture flipped with chance one half, scaled and normalised. The value
is the median of the pairs' ratios (theirs / ours) in wall time; CPU-seconds stand beside it.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dllab.data import BatchLoader, load

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
from torchvision.transforms import v2

BATCH = 128
MEAN, STD = 0.286, 0.353
PASSES = {"items": 1, "raw": 30}  # bare indexing is over too soon to be timed once
GOALS = {"P3-items": 8.0, "P3-raw": 0.9}

Batch = dict[str, Tensor]


class Items(Dataset[tuple[Tensor, int]]):
    """One picture at a time, as torchvision's MNIST classes do it."""

    def __init__(self, tensors: Batch) -> None:
        self.images = tensors["image"].squeeze(1)
        self.labels = tensors["label"].tolist()
        self.transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([MEAN], [STD]),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        return self.transform(picture), self.labels[index]


to_float = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([MEAN], [STD])])


def augment(batch: Batch) -> Batch:
    """The same work on a whole batch, each picture with its own chance."""
    image = batch["image"]
    flipped = torch.rand(len(image), 1, 1, 1) < 0.5
    return {**batch, "image": to_float(torch.where(flipped, image.flip(-1), image))}


def bare(tensors: Batch) -> Iterable[Batch]:
    """What nobody can undercut: one permutation, and indexing."""
    order = torch.randperm(len(tensors["label"]))
    return ({k: v[chosen] for k, v in tensors.items()} for chosen in order.split(BATCH))


def timed(batches: Callable[[], Iterable[Any]], passes: int) -> tuple[float, float]:
    """Wall and CPU seconds to run through all batches."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(passes):
        for _batch in batches():
            pass
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(
    name: str,
    theirs: Callable[[], Iterable[Any]],
    ours: Callable[[], Iterable[Any]],
    pairs: int,
    passes: int,
) -> dict[str, Any]:
    """Interleave both sides and summarise the ratios theirs / ours."""
    timed(theirs, 1), timed(ours, 1)  # neither side pays for the first touch
    runs = [(timed(theirs, passes), timed(ours, passes)) for _ in range(pairs)]
    wall = [their[0] / our[0] for their, our in runs]
    cpu = [their[1] / our[1] for their, our in runs]
    value, goal = statistics.median(wall), GOALS[name]
    return {
        "id": name,
        "goal": goal,
        "value": round(value, 3),
        "low": round(min(wall), 3),
        "high": round(max(wall), 3),
        "pairs": pairs,
        "met": value >= goal,
        "why": f"CPU-seconds: {statistics.median(cpu):.2f} x",
    }


def measure(pairs: int) -> list[dict[str, Any]]:
    """Both comparisons of P3."""
    tensors = load("fashion_mnist", "train")
    items = DataLoader(Items(tensors), BATCH, shuffle=True)
    batches = BatchLoader(tensors, BATCH, shuffle=True, transform=augment)
    plain = BatchLoader(tensors, BATCH, shuffle=True)
    return [
        compare("P3-items", lambda: items, lambda: batches, pairs, PASSES["items"]),
        compare("P3-raw", lambda: bare(tensors), lambda: plain, pairs, PASSES["raw"]),
    ]


def main() -> None:
    """Print the ratios, and write them where asked."""
    parser = argparse.ArgumentParser(description="P3: in-memory batches against their peers")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = measure(args.pairs)
    for r in results:
        mark = "✓" if r["met"] else "✗"
        spread = f"{r['low']:.2f}-{r['high']:.2f}"
        print(f"{mark} {r['id']:9} {r['value']:.2f} x ({spread}), goal {r['goal']} x; {r['why']}")
    if args.json:
        args.json.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
