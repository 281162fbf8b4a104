"""G3: what 16 bits cost in accuracy.

One and the same short recipe of lab 02 learns in fp32 (TF32 off), bf16-mixed and fp16-mixed from
the same seeds, as many as the time allows. All released pictures beside the training ones are
classified in fp32, as in a grade.
"""

import statistics
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from bench.gpu.harness import Plan, true_fp32
from bench.gpu.nets import Learner, Precision
from bench.measure import Result, judged
from bench.sides.reference import reference
from dllab.data import BatchLoader, load

EPOCHS, BATCH, RATE = 12, 256, 0.2
MOST_SEEDS = 40


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


def measure(plan: Plan) -> Iterator[Result]:
    """Each seed in all three precisions; told anew with every seed."""
    true_fp32()
    full: list[float] = []
    half: dict[Precision, list[float]] = {"bf16": [], "fp16": []}
    longest = 0.0
    while len(full) < plan.size(MOST_SEEDS, 2) and plan.left_s > 2 * longest:
        before, seed = plan.left_s, len(full)
        full.append(accuracy(seed, "fp32", plan))
        for precision, found in half.items():
            found.append(accuracy(seed, precision, plan))
        longest = max(longest, before - plan.left_s)
        if len(full) > 1:
            yield from (lost(precision, full, found) for precision, found in half.items())


def lost(precision: Precision, full: list[float], half: list[float]) -> Result:
    """The mean loss of accuracy, and its 95 % interval as the range."""
    drops = [a - b for a, b in zip(full, half, strict=True)]
    mean, error = statistics.mean(drops), statistics.stdev(drops) / len(drops) ** 0.5
    ends = [mean - 1.96 * error, mean, mean + 1.96 * error]
    why = f"mean of {len(drops)} seeds and its 95 % interval; "
    why += f"fp32 has {statistics.mean(full):.2f} % of 3,000 pictures right"
    return {**judged(f"G3-parity-{precision}", ends, why), "pairs": len(drops)}
