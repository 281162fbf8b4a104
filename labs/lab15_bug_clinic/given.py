"""Given to you: the names of the faults, the recorded cases, and patients to practise on.

    python -m labs.lab15_bug_clinic.given curve      # the losses of your project, as in CASES
    python -m labs.lab15_bug_clinic.given patients   # what each test finds in sixty patients

A *patient* is a small training run with one fault, or none. You may order tests of it, each of
which has a price; a test trains or runs the patient and gives one number.
"""

import math
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dllab.data import load

FAULTS = (
    "labels-apart",  # images and labels are put into different orders
    "overlap",  # items that are held out are trained on as well
    "leaky-statistics",  # held-out images have a part in mean and deviation
    "wraps-around",  # uint8 goes below 0 and comes out near 255
    "same-order",  # each epoch has the order of the first
    "lost-batch",  # the end of the data is never seen
    "python-list",  # nn.Module does not know of some layers
    "shared-layer",  # several layers are one and the same
    "scrambled",  # pixels of different items are mixed
    "softmax-twice",  # the network ends with a softmax, and the loss takes another
    "broadcast",  # [B, 1] times [B] is [B, B]
    "log-of-zero",  # the logarithm of a probability that has rounded to 0
    "no-zero-grad",  # gradients of former steps are left
    "clip-late",  # gradients are clipped when they have been used
    "graph-kept",  # each loss holds on to all that it was computed from
    "train-mode",  # evaluation drops units out, and uses the batch's statistics
    "mean-of-means",  # a short batch counts as much as a long one
    "left-in-eval",  # from the second epoch on, training is in evaluation mode
    "rate-per-batch",  # the rate falls at each batch, and not at each epoch
    "kept-by-reference",  # the best weights are the last ones
)

# case → (training loss, reported validation loss) after each epoch, and the accuracy that an honest
# evaluation of the final weights gives. Each is the mended project with one of the twenty faults.
CASES: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    "A": (
        (1.31, 0.91, 0.62, 0.43, 0.37, 0.27, 0.18, 0.19, 0.17, 0.18, 0.14, 0.15),
        (1.79, 1.26, 0.96, 0.81, 0.63, 0.74, 0.55, 0.63, 0.58, 0.46, 0.52, 0.48),
        0.83,
    ),
    "B": (
        (1.38, 1.21, 1.16, 1.03, 1.02, 0.94, 0.81, 0.73, 0.71, 0.58, 0.57, 0.52),
        (2.29, 2.29, 2.35, 2.45, 2.57, 2.69, 2.79, 2.87, 2.81, 2.8, 2.86, 2.89),
        0.09,
    ),
    "C": (
        (1.24, 1.11, 0.51, 0.19, 0.11, 0.08, 0.06, 0.03, 0.02, 0.01, 0.01, 0.0),
        (2.11, 1.29, 0.53, 0.4, 0.65, 0.63, 0.63, 0.42, 0.32, 0.38, 0.36, 0.34),
        0.9,
    ),
    "D": (
        (1.4, 1.37, 1.33, 1.26, 1.22, 1.17, 1.13, 1.11, 1.09, 1.09, 1.08, 1.07),
        (2.3, 2.28, 2.2, 2.05, 1.96, 1.89, 1.86, 1.84, 1.83, 1.82, 1.82, 1.82),
        0.74,
    ),
    "E": (
        (1.07, 0.46, 0.18, 0.14, 0.12, 0.09, 0.07, 0.06, 0.04, 0.07, 0.04, 0.03),
        (1.57, 0.34, 0.17, 0.08, 0.06, 0.06, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01),
        0.95,
    ),
    "F": (
        (1.24, 0.71, 0.36, 0.22, 0.18, 0.11, 0.07, 0.07, 0.07, 0.1, 0.05, 0.05),
        (1.49, 0.88, 0.6, 0.51, 0.37, 0.37, 0.33, 0.42, 0.37, 0.27, 0.34, 0.37),
        0.91,
    ),
    "G": (
        (1.21, 0.61, 0.29, 0.33, 0.32, 0.21, 0.27, 0.34, 0.29, 0.17, 0.12, 0.09),
        (1.99, 0.66, 0.55, 1.22, 1.18, 1.13, 0.72, 1.0, 0.8, 0.45, 0.53, 0.53),
        0.86,
    ),
    "H": (
        (1.23, 0.7, 0.38, 0.23, 0.16, 0.11, 0.09, 0.06, 0.06, 0.06, 0.06, 0.04),
        (1.93, 0.95, 0.68, 0.52, 0.45, 0.53, 0.45, 0.43, 0.41, 0.43, 0.44, 0.43),
        0.87,
    ),
    "I": (
        (1.37, 1.11, 1.02, 0.92, 0.89, 0.81, 0.74, 0.72, 0.67, 0.65, 0.62, 0.58),
        (2.18, 1.78, 1.25, 1.03, 0.93, 0.84, 0.86, 0.83, 0.83, 0.84, 0.87, 0.87),
        0.76,
    ),
    "J": (
        (1.51, 1.44, 1.47, 1.52, 1.45, 1.42, 1.46, 1.43, 1.45, 1.44, 1.44, 1.41),
        (2.31, 2.31, 2.34, 2.35, 2.41, 2.42, 2.37, 2.36, 2.37, 2.33, 2.32, 2.32),
        0.09,
    ),
    "K": (
        (1.35, 0.85, 0.53, 0.28, 0.22, 0.13, 0.12, 0.11, 0.11, 0.08, 0.08, 0.06),
        (2.04, 1.54, 1.0, 0.84, 0.6, 0.61, 0.53, 0.52, 0.56, 0.59, 0.59, 0.58),
        0.81,
    ),
    "L": (
        (1.27, 0.89, 0.89, 0.88, 0.91, 0.88, 0.86, 0.89, 0.88, 0.89, 0.89, 0.88),
        (2.18, 2.03, 1.87, 1.72, 1.61, 1.54, 1.51, 1.49, 1.5, 1.5, 1.5, 1.49),
        0.73,
    ),
}  # fmt: skip


def digits(rng: Generator) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """What `classify` is given: 400 digits, of which 160 have a wrong label and the weight 0.

    Then 1,000 others: images, uint8 [1000, 1, 8, 8], and labels, int64 [1000].
    """
    parts = [load("digits", part) for part in ("train", "val", "test")]
    image, label = (torch.cat([part[name] for part in parts]) for name in ("image", "label"))
    known, others = torch.randperm(len(label), generator=rng).split([400, 1000])
    written, weight = label[known].clone(), torch.ones(400)
    weight[:160] = 0
    written[:160] += torch.randint(1, 10, (160,), generator=rng)
    study = {"known": image[known], "label": written % 10, "weight": weight}
    return study, image[others], label[others]


def recorded(lab: ModuleType) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """What stands in CASES for the project that is in `lab`."""
    study, image, label = digits(torch.Generator().manual_seed(0))
    logits, history = lab.study(image, **study)
    train, val = (
        tuple(round(float(loss), 2) for loss in losses) for losses in zip(*history, strict=True)
    )
    return train, val, round(float((logits.argmax(1) == label).float().mean()), 2)


TESTS = {  # what can be ordered → its price
    "curve": 1,  # last training loss / ln(number of classes), the loss of a blind guess
    "accuracy": 1,  # validation accuracy, as the run reports it
    "again": 1,  # how far outputs for the same items are from those of a second evaluation
    "sum": 1,  # how far the outputs for an item are from adding up to 1
    "second": 2,  # size of the second step / the first, for the same batch at a rate of nearly 0
    "moved": 2,  # the share of the network's parameters that a step moves
    "company": 2,  # how far an item's outputs are from those in other company, in evaluation
    "depth": 2,  # size of the first layer's gradient / that of the last one, in the beginning
    "one-batch": 4,  # loss after 60 steps with one batch / the loss before
    "slower": 5,  # training loss at a tenth of the rate / at the run's own
    "faster": 5,  # training loss at ten times the rate / at the run's own
}
AILMENTS = (
    "healthy", "rate-too-high", "rate-too-low", "vanishing", "labels-apart",
    "python-list", "scrambled", "softmax-twice", "no-zero-grad", "train-mode",
)  # fmt: skip
STEPS, BATCH, WORST = 50, 32, 10.0


class Net(nn.Module):
    """Layers with ReLU and dropout between them, or whatever is wrong with that."""

    def __init__(self, widths: Sequence[int], ailment: str) -> None:
        super().__init__()
        self.ailment = ailment
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 [B, features] to what are meant to be logits, float32 [B, classes]."""
        if self.ailment == "scrambled":
            x = x.reshape(-1, len(x)).T
        for layer in self.layers[:-1]:
            x = layer(x)
            x = x.sigmoid() if self.ailment == "vanishing" else x.relu()
            x = F.dropout(x, 0.1, self.training)
        x = self.layers[-1](x)
        return x.softmax(1) if self.ailment == "softmax-twice" else x


class Patient:
    """A training run. `examine(test)` is all that may be asked of it."""

    rate, deep = 0.15, 2

    def __init__(self, ailment: str, rng: Generator) -> None:
        self.ailment, self.seed = ailment, int(torch.randint(2**31, (), generator=rng))
        self.classes, self.x, self.label = self.data(rng)
        if ailment == "labels-apart":
            order = torch.randperm(400, generator=rng)
            self.label = torch.cat([self.label[:400][order], self.label[400:]])
        factor = {"rate-too-high": 40.0, "rate-too-low": 0.02}.get(ailment, 1.0)
        self.rate = self.rate * factor * 2 ** (torch.rand((), generator=rng).item() - 0.5)
        hidden = int(torch.randint(20, 40, (), generator=rng))
        layers = 5 if ailment == "vanishing" else self.deep
        self.widths = [self.x.shape[1], *[hidden] * layers, self.classes]

    def data(self, rng: Generator) -> tuple[int, Tensor, Tensor]:
        """Number of classes, float32 [500, features], int64 [500]: clouds of points."""
        classes, features = torch.randint(4, 9, (2,), generator=rng).tolist()
        label = torch.randint(classes, (500,), generator=rng)
        centre = 2 * torch.randn(classes, 2 * features, generator=rng)
        return classes, centre[label] + torch.randn(500, 2 * features, generator=rng), label

    def net(self) -> Net:
        """The network before the first step; global random numbers begin anew."""
        torch.manual_seed(self.seed)
        return Net(self.widths, self.ailment)

    def trained(self, rate: float, *, steps: int = STEPS, one: bool = False) -> tuple[Net, Tensor]:
        """The network after so many steps, and its loss at each of them."""
        net, losses, rows = self.net(), [], torch.arange(BATCH)
        known = net.layers[-1:] if self.ailment == "python-list" else net.layers
        optimizer = torch.optim.SGD(known.parameters(), lr=rate)
        for _ in range(steps):
            rows = rows if one else torch.randint(400, (BATCH,))
            loss = F.cross_entropy(net(self.x[rows]), self.label[rows])
            if self.ailment != "no-zero-grad":
                net.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        told = torch.stack(losses) / math.log(self.classes)
        return net, told.nan_to_num(WORST, WORST).clamp(1e-4, WORST)

    @cache  # noqa: B019 - a patient lives as long as it is examined
    def run(self, factor: float = 1.0) -> tuple[Net, Tensor]:
        """The whole training, at the patient's rate or another one; done once."""
        return self.trained(self.rate * factor)

    @torch.no_grad()
    def outputs(self, net: Net, rows: slice) -> Tensor:
        """What the network says of some items when it is evaluated."""
        net.train(self.ailment == "train-mode")
        return net(self.x[rows]).nan_to_num(0, 0, 0)

    @torch.enable_grad()
    def examine(self, test: str) -> float:
        """Do one of TESTS."""
        with torch.random.fork_rng(devices=[]):
            return float(getattr(self, test.replace("-", "_"))())

    def curve(self, factor: float = 1.0) -> Tensor:
        """The last training loss, over ten steps."""
        return self.run(factor)[1][-10:].mean()

    def accuracy(self) -> Tensor:
        """The share of right answers for the last hundred items, which training leaves out."""
        said = self.outputs(self.run()[0], slice(400, None)).argmax(1)
        return (said == self.label[400:]).float().mean()

    def again(self) -> Tensor:
        """The mean difference of two evaluations."""
        net = self.net()
        one, other = (self.outputs(net, slice(400, None)) for _ in range(2))
        return (one - other).abs().mean() / one.std()

    def sum(self) -> Tensor:
        """The mean distance of the outputs' sum from 1."""
        return (self.outputs(self.net(), slice(400, None)).sum(1) - 1).abs().mean()

    def second(self) -> Tensor:
        """How much larger the second step is."""
        places = [self._first_weights(steps) for steps in (0, 1, 2)]
        first, second = ((b - a).norm() for a, b in pairwise(places))
        return second / first

    def _first_weights(self, steps: int) -> Tensor:
        net = self.trained(1e-3, steps=steps, one=True)[0] if steps else self.net()
        return net.layers[-1].weight.detach()

    def moved(self) -> Tensor:
        """The share of tensors of parameters that are no longer what they were."""
        pairs = zip(
            self.net().parameters(), self.trained(1.0, steps=1)[0].parameters(), strict=True
        )
        return torch.tensor([not a.equal(b) for a, b in pairs]).float().mean()

    def company(self) -> Tensor:
        """The mean difference of outputs of fifty items, among fifty and among a hundred."""
        net = self.net()
        alone, together = self.outputs(net, slice(50)), self.outputs(net, slice(100))[:50]
        return (alone - together).abs().mean() / alone.std()

    def depth(self) -> Tensor:
        """The ratio of the norms of two layers' gradients, each by the root of its size."""
        net = self.net()
        F.cross_entropy(net(self.x[:100]), self.label[:100]).backward()
        first, *_, last = (layer.weight.grad.square().mean().sqrt() for layer in net.layers)
        return first / last

    def one_batch(self) -> Tensor:
        """What is left of the loss for a batch that is trained over and over."""
        losses = self.trained(self.rate, steps=60, one=True)[1]
        return losses[-1] / losses[0]

    def slower(self) -> Tensor:
        """Whether a lower rate would do better."""
        return self.curve(0.1) / self.curve()

    def faster(self) -> Tensor:
        """Whether a higher rate would do better."""
        return self.curve(10) / self.curve()


def main() -> None:
    """Print what was asked for."""
    if sys.argv[1:] == ["curve"]:
        from labs.lab15_bug_clinic import lab

        for what, numbers in zip(
            ("training", "validation", "accuracy"), recorded(lab), strict=True
        ):
            print(f"{what:10}", numbers)
        return
    rng = torch.Generator().manual_seed(0)
    print(" " * 14, *(f"{test:>15}" for test in TESTS))
    for ailment in AILMENTS:
        six = [Patient(ailment, rng) for _ in range(6)]
        found = [sorted(patient.examine(test) for patient in six) for test in TESTS]
        print(f"{ailment:14}", *(f"{f'{f[0]:.2g} to {f[-1]:.2g}':>15}" for f in found))


if __name__ == "__main__":
    main()
