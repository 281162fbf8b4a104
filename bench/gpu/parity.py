"""G3: what 16 bits cost in accuracy.

One and the same short recipe of lab 02 learns in fp32 (TF32 off), bf16-mixed and fp16-mixed from
the same seeds, as many as the time allows. All released pictures beside the training ones are
classified in fp32, as in a grade. Seeds are learnt side by side, since one alone leaves the GPU
idle: its small kernels are over before the next ones are launched.
"""

import contextlib
import multiprocessing
import statistics
from collections.abc import Iterator
from functools import partial

import torch
from scipy.stats import t as student
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from bench.gpu.harness import Plan, true_fp32
from bench.gpu.nets import Learner, Precision
from bench.measure import Result, judged
from bench.sides.reference import reference
from dllab.data import BatchLoader, load

EPOCHS, BATCH, RATE = 12, 256, 0.2
MOST_SEEDS = 40
SIDE_BY_SIDE = 8
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")


def accuracy(seed: int, precision: Precision, plan: Plan) -> float:
    """Learn lab 02 in that precision; the share of right answers in per cent."""
    module, config = reference("02")
    torch.manual_seed(seed)
    model = module.Model(**config.model).to(plan.device)
    train = split(plan, "train")
    std, mean = torch.std_mean(train["image"].float())
    model.mean.copy_(mean)
    model.std.copy_(std)
    learner = Learner(model, plan, precision, RATE)
    loader = BatchLoader(train, BATCH, shuffle=True, seed=seed, transform=module.augment)
    epochs = plan.size(EPOCHS, 1)
    steps = epochs * len(loader)
    schedule = LambdaLR(learner.optimizer, lambda step: module.one_cycle(step, steps))
    for _ in range(epochs):
        for batch in loader:
            learner.step(batch["image"], batch["label"])
            schedule.step()
    return right(model, plan)


def split(plan: Plan, name: str) -> dict[str, Tensor]:
    """A split of Fashion-MNIST on the device."""
    whole, some = load("fashion_mnist", name), plan.size(None, 100)
    return {key: value[:some].to(plan.device) for key, value in whole.items()}


@torch.inference_mode()
def right(model: nn.Module, plan: Plan) -> float:
    """Per cent of the validation and the public test pictures."""
    model.eval()
    splits = [split(plan, name) for name in ("val", "test")]
    hits = [model(items["image"]).argmax(1) == items["label"] for items in splits]
    return float(100 * torch.cat(hits).double().mean())


def accuracies(plan: Plan, seed: int) -> dict[Precision, float]:
    """All three precisions, in a process of its own."""
    true_fp32()
    torch.set_num_threads(1)
    return {precision: accuracy(seed, precision, plan) for precision in PRECISIONS}


def measure(plan: Plan) -> Iterator[Result]:
    """Seeds as they end, those of one round side by side; told anew with every seed."""
    found: list[dict[Precision, float]] = []
    seeds = range(plan.size(MOST_SEEDS, 2))
    with multiprocessing.get_context("spawn").Pool(plan.size(SIDE_BY_SIDE, 1)) as pool:
        coming = pool.imap_unordered(partial(accuracies, plan), seeds)
        with contextlib.suppress(StopIteration, multiprocessing.TimeoutError):
            while True:
                found.append(coming.next(max(0.0, plan.left_s)))
                if len(found) > 1:
                    yield from (lost(precision, found) for precision in ("bf16", "fp16"))
    if len(found) < 2:
        raise SystemExit(f"{len(found)} seeds were over in time, an interval takes two")


def lost(precision: Precision, found: list[dict[Precision, float]]) -> Result:
    """The mean loss of accuracy, and its 95 % interval as the range."""
    drops = [each["fp32"] - each[precision] for each in found]
    mean, error = statistics.mean(drops), statistics.stdev(drops) / len(drops) ** 0.5
    reach = float(student.ppf(0.975, len(drops) - 1)) * error
    full = statistics.mean(each["fp32"] for each in found)
    why = f"mean of {len(drops)} seeds and its 95 % interval; "
    why += f"fp32 has {full:.2f} % of 3,000 pictures right"
    ends = [mean - reach, mean, mean + reach]
    return {**judged(f"G3-parity-{precision}", ends, why), "pairs": len(drops)}
