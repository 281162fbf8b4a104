"""Train a few hundred small convolutional networks, and write down how well each does.

    python data/network_curves/make.py        # some minutes of one core
    dllab data build network_curves

A configuration is drawn from `SPACE`, and trained for nine epochs of SGD, at a constant rate, on
1,500 pictures of Fashion-MNIST at half their width and height. After each epoch the share of right
answers is taken on 500 validation pictures and on 1,000 test pictures. The best in validation are
trained again from two other seeds, as are as many of the rest: how much of it was luck?

Networks of one shape are trained side by side, each by numbers of its own: `M` of them, `B`
pictures in a batch. Another --seed draws other configurations, pictures and starts; --noise has
that share of the training labels drawn anew. Other machines may give slightly other numbers.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dllab.data import load

SPACE = {
    "lr": ("log", 1e-3, 1.0),
    "momentum": ("linear", 0.0, 0.98),
    "weight_decay": ("log", 1e-6, 1e-1),
    "dropout": ("linear", 0.0, 0.6),
    "width": ("choice", 4, 8, 16, 24),
    "batch": ("choice", 16, 32, 64, 128),
}
EPOCHS, TRAIN, VAL, TEST = 9, 1500, 500, 1000
Config = dict[str, float]
Weights = list[Tensor]


@dataclass(frozen=True)
class Split:
    """Pictures as patches of 4 by 4 pixels: float32 [N, 36, 16]; labels [N].

    They lie at 6 by 6 places, each four neighbours behind each other.
    """

    patch: Tensor
    label: Tensor


def draw(rng: Generator) -> Config:
    """One configuration."""
    config = {}
    for name, (scale, *values) in SPACE.items():
        u = float(torch.rand((), generator=rng))
        low, high = values[0], values[-1]
        match scale:
            case "log":
                config[name] = low * (high / low) ** u
            case "linear":
                config[name] = low + (high - low) * u
            case _:
                config[name] = values[int(u * len(values))]
    return {name: float(f"{value:.4g}") for name, value in config.items()}


def pictures(part: str, count: int, rng: Generator) -> Split:
    """Draw `count` pictures of a part."""
    items = load("fashion_mnist", part)
    chosen = torch.randperm(len(items["label"]), generator=rng)[:count]
    image = (F.avg_pool2d(items["image"][chosen].float(), 2) / 255 - 0.29) / 0.34
    patch = F.unfold(image, 4, stride=2).mT.unflatten(1, (3, 2, 3, 2))
    return Split(patch.transpose(2, 3).flatten(1, 4), items["label"][chosen])


def start(count: int, width: int, rng: Generator) -> Weights:
    """Weights by He's rule, and biases of 0, by layers."""
    sizes = ((16, width), (4 * width, 2 * width), (18 * width, 10))
    weights = []
    for fan_in, fan_out in sizes:
        weight = torch.randn(count, fan_in, fan_out, generator=rng) * (2 / fan_in) ** 0.5
        weights += [weight, torch.zeros(count, 1, fan_out)]
    return [one.requires_grad_() for one in weights]


def logits(weights: Weights, patch: Tensor, dropped: Tensor | None = None) -> Tensor:
    """float32 [M, B, 10], of patches [M, B, 36, 16]; two convolutions of stride 2, as products."""
    w1, b1, w2, b2, w3, b3 = weights
    nets, size, *_ = patch.shape
    x = torch.baddbmm(b1, patch.flatten(1, 2), w1).relu().view(nets, size * 9, -1)
    x = torch.baddbmm(b2, x, w2).relu().view(nets, size, -1)
    return torch.baddbmm(b3, x if dropped is None else x * dropped, w3)


@torch.no_grad()
def shares(weights: Weights, split: Split) -> Tensor:
    """The share of right answers of each network, [M]."""
    found = logits(weights, split.patch.expand(len(weights[0]), -1, -1, -1))
    return (found.argmax(2) == split.label).float().mean(1)


def curves(configs: list[Config], seed: int, train: Split, held: list[Split]) -> Tensor:
    """The shares after each epoch on each of the held splits, [M, splits, EPOCHS].

    All configurations have the same width and batch.
    """
    rng, nets = Generator().manual_seed(seed), len(configs)
    width, size = int(configs[0]["width"]), int(configs[0]["batch"])
    lr, momentum, decay, drop = (
        torch.tensor([config[name] for config in configs])[:, None, None]
        for name in ("lr", "momentum", "weight_decay", "dropout")
    )
    weights = start(nets, width, rng)
    speed = [torch.zeros_like(one) for one in weights]
    found = []
    for _ in range(EPOCHS):
        order = torch.stack([torch.randperm(TRAIN, generator=rng) for _ in configs])
        for chosen in order[:, : TRAIN // size * size].split(size, dim=1):
            dropped = (torch.rand(nets, size, 18 * width, generator=rng) >= drop) / (1 - drop)
            said = logits(weights, train.patch[chosen], dropped)
            each = F.cross_entropy(
                said.flatten(0, 1), train.label[chosen].flatten(), reduction="sum"
            )
            slopes = torch.autograd.grad(each / size, weights)
            with torch.no_grad():
                for w, v, g in zip(weights, speed, slopes, strict=True):
                    v.mul_(momentum).add_(g).addcmul_(decay, w)
                    w.addcmul_(lr, v, value=-1)
        found.append(torch.stack([shares(weights, split) for split in held], 1))
    return torch.stack(found, 2)


def trained(
    number: list[int], configs: list[Config], again: int, seed: int, data: list[Split]
) -> Iterator[tuple[int, int, Tensor]]:
    """Number, how often before, and curves of each, group by group."""
    shapes = sorted({(configs[i]["width"], configs[i]["batch"]) for i in number})
    for place, shape in enumerate(shapes):
        group = [i for i in number if (configs[i]["width"], configs[i]["batch"]) == shape]
        found = curves(
            [configs[i] for i in group], 1000 * seed + 100 * again + place, data[0], data[1:]
        )
        yield from ((i, again, curve) for i, curve in zip(group, found, strict=True))


def rows(count: int, again: int, seed: int, noise: float) -> Iterator[list[float]]:
    """Number, configuration, seed, validation curve and test curve of each training."""
    rng = Generator().manual_seed(seed)
    configs = [draw(rng) for _ in range(count)]
    data = [pictures(part, n, rng) for part, n in (("train", TRAIN), ("val", VAL), ("test", TEST))]
    wrong = torch.rand(TRAIN, generator=rng) < noise
    data[0].label[wrong] = torch.randint(10, (TRAIN,), generator=rng)[wrong]
    final = torch.zeros(count)
    for i, _, curve in trained([*range(count)], configs, 0, seed, data):
        final[i] = curve[0, -1]
        yield [i, *configs[i].values(), 0, *curve.flatten().tolist()]
    order = final.argsort(descending=True, stable=True)
    rest = torch.linspace(again, count - 1, again).long()
    chosen = sorted(torch.cat([order[:again], order[rest]]).tolist())
    for turn in (1, 2):
        for i, _, curve in trained(chosen, configs, turn, seed, data):
            yield [i, *configs[i].values(), turn, *curve.flatten().tolist()]


def main() -> None:
    """Write a line for each training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=600, help="configurations")
    parser.add_argument("--again", type=int, default=24, help="of the best, and as many others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument(
        "--out", type=Path, default=Path(".cache/downloads/network_curves/curves.csv")
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    names = [f"{part}{epoch}" for part in ("val", "test") for epoch in range(1, EPOCHS + 1)]
    with args.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["number", *SPACE, "seed", *names])
        for row in rows(args.count, args.again, args.seed, args.noise):
            table.writerow([f"{value:.4g}" for value in row])
            file.flush()


if __name__ == "__main__":
    main()
