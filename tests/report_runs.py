"""Real runs, seconds each, for the report's tests: small networks on the committed data.

`train_clothes(kind)` trains one healthy network or one that is broken on purpose, and returns its
curve. `make_run(root, …)` trains and writes a whole run folder as the training room does.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

from dllab import data
from dllab.rundir.run import RunFolder, write_json, write_text

LAB = "lab90_report"
LAB_YAML = """
title: Pictures, voices, reviews, plays
summary: A lab for the report's own tests.
level: beginner
topics: []
arms:
  clothes: {data: fashion_mnist}
  vowels: {data: japanese_vowels}
  reviews: {data: clothing_reviews}
  chars: {data: shakespeare}
criteria:
  accuracy: {title: Accuracy on clothes, arm: clothes, metric: accuracy, points: 30,
             pass: 0.79, strong: 0.9, floor: 0.6}
checks: {linear: 5, loss: 5, standardise: 5}
pass_score: 0.7
hints: {loss: [Which logits overflow?, Subtract the largest first.]}
starter_sha256: x
calibration: {accuracy: {values: [CALIBRATION], mean: MEAN, sd: SD, n: 1000}}
"""


class Clothes(nn.Sequential):
    """Standardised pixels through two hidden layers; int label 0..9."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(784, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 10),
        )

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        return self((batch["image"].float() / 255 - 0.286) / 0.353)


class Sequence(nn.Module):
    """A GRU over series or embedded tokens, read out at the last real step."""

    def __init__(self, inputs: int, classes: int, tokens: int = 0, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, inputs) if tokens else None
        self.rnn = nn.GRU(inputs, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        x = self.embed(batch["tokens"]) if self.embed else batch["series"]
        states, _ = self.rnn(x)
        last = (batch["lengths"] - 1).clamp_min(0)
        return self.head(states[torch.arange(len(x)), last])


def train_clothes(kind: str = "healthy", seed: int = 0) -> list[dict[str, float]]:
    """The curve of a training on 2,000 images, healthy or broken in the way that `kind` names."""
    split = {name: tensor[:2000] for name, tensor in data.load("fashion_mnist", "train").items()}
    torch.manual_seed(seed)
    model = Clothes()
    if kind == "frozen":
        model[1].requires_grad_(False)
        model[3].requires_grad_(False)
    if kind == "overfit":
        split = {name: tensor[:300] for name, tensor in split.items()}
    if kind == "labels":
        split["label"] = split["label"][torch.randperm(2000)]
    if kind == "sorted":
        order = split["label"].argsort(stable=True)
        split = {name: tensor[order] for name, tensor in split.items()}
    rate = {"rate-too-high": 0.1, "rate-too-low": 1e-7}.get(kind, 1e-3)
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), rate)
    if kind in ("no-zero-grad", "exploding"):
        rate = 0.1 if kind == "no-zero-grad" else 3.0
        optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    return fit(
        model,
        split,
        data.items("fashion_mnist", "val"),
        optimizer,
        epochs=60 if kind == "overfit" else 8,
        shuffle=kind not in ("sorted", "same-order"),
        zero_grad=kind != "no-zero-grad",
        softmax=kind == "softmax-twice",
    )


def train_vowels(seed: int) -> list[dict[str, float]]:
    """The curve of a healthy training that is validated on very few items."""
    torch.manual_seed(seed)
    train, val = data.load("japanese_vowels", "train"), data.items("japanese_vowels", "val")
    model = Sequence(12, 9)
    return fit(model, train, val, torch.optim.Adam(model.parameters(), 1e-2), epochs=25, batch=32)


def fit(
    model: nn.Module,
    train: dict[str, Tensor],
    val: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    batch: int = 50,
    shuffle: bool = True,
    zero_grad: bool = True,
    softmax: bool = False,
) -> list[dict[str, float]]:
    """A plain loop that logs what the training room logs, every fourth step."""

    def scores(items: dict[str, Tensor]) -> Tensor:
        out = model.predict({k: v for k, v in items.items() if k != "label"})
        return out.softmax(1) if softmax else out

    curve: list[dict[str, float]] = []
    step, total = 0, len(train["label"])
    for epoch in range(epochs):
        order = torch.randperm(total) if shuffle else torch.arange(total)
        for ids in order.split(batch):
            items = {name: tensor[ids] for name, tensor in train.items()}
            loss = F.cross_entropy(scores(items), items["label"])
            if zero_grad:
                optimizer.zero_grad()
            loss.backward()
            if step % 4 == 0:
                point = {"step": step, "epoch": epoch, "train/loss": loss.item()}
                curve.append({**point, "lr": optimizer.param_groups[0]["lr"], **gradients(model)})
            optimizer.step()
            step += 1
        with torch.no_grad():
            out = scores(val)
        right = (out.argmax(1) == val["label"]).float().mean().item()
        loss = F.cross_entropy(out, val["label"]).item()
        curve.append({"step": step - 1, "epoch": epoch, "val/loss": loss, "val/accuracy": right})
    return curve


def gradients(model: nn.Module) -> dict[str, float]:
    """The gradient's norm, whole and of each module that has parameters."""
    parts = {
        f"grad_norm/{name}": math.hypot(
            *(p.grad.norm().item() for p in module.parameters() if p.grad is not None)
        )
        for name, module in model.named_children()
        if any(True for _ in module.parameters())
    }
    return {"grad_norm": math.hypot(*parts.values()), **parts}


def make_project(root: Path, *, calibration: tuple[float, ...] = (0.8, 0.81)) -> Path:
    """A project root with the one lab, and the committed data where `root` has none."""
    lab = root / "labs" / LAB
    lab.mkdir(parents=True)
    values = torch.tensor(calibration, dtype=torch.float64)
    text = LAB_YAML.replace("CALIBRATION", ", ".join(map(str, calibration)))
    text = text.replace("MEAN", f"{values.mean():.4f}").replace("SD", f"{values.std():.4f}")
    (lab / "lab.yaml").write_text(text)
    (lab / "lab.py").write_text("x = 1\n")
    (root / "pyproject.toml").touch()
    if not (root / "data").exists():
        (root / "data").symlink_to(Path(__file__).resolve().parent.parent / "data")
    return root


def make_run(
    root: Path, *, name: str, arms: tuple[str, ...] = ("clothes",), lr: float = 1e-3
) -> RunFolder:
    """Train the arms named and write the run folder, ungraded."""
    run = RunFolder(root / "runs" / LAB / name)
    configs = {arm: {"seed": 0, "model": {"lr": lr}, "trainer": {"max_epochs": 8}} for arm in arms}
    content = {"lab": LAB, "impl": "mine", "overrides": [], "arms": configs}
    write_text(run.config, yaml.safe_dump(content, sort_keys=False))
    write_text(run.code, f"LR = {lr}\n")
    for arm in arms:
        curve, scores, label = _train_arm(arm, lr)
        folder = run.arm(arm)
        write_text(folder.curve, "".join(f"{json.dumps(point)}\n" for point in curve))
        save_file({"scores": scores, "label": label}, folder.predictions)
    write_json(run.card, CARD | {"run": run.id})
    return run


def grade_run(run: RunFolder, **changes: Any) -> dict[str, Any]:
    """Write a result that says what was really measured on the arm `clothes`."""
    points = run.arm("clothes").read_curve()
    accuracy = next(p["val/accuracy"] for p in reversed(points) if "val/accuracy" in p)
    earned = 30 * min(max((accuracy + 0.01 - 0.6) / 0.19, 0), 1)
    result = {
        "schema": "dllab.result/1",
        "submission": {"lab": LAB},
        "verdict": "graded",
        "reason": "",
        "mode": "practice",
        "impl": "mine",
        "run": run.id,
        "evaluated_on": "public-test",
        "score": round(earned + 5, 4),
        "max_score": 45,
        "passed": earned + 5 >= 0.7 * 45,
        "checks": [
            _check("linear", "Linear layer with He initialisation", "pass"),
            _check(
                "loss",
                "Stable cross-entropy",
                "fail",
                "expected the loss to be 2.30259, got nan for <b>logits</b> of 1e4",
            ),
            _check("standardise", "Standardisation", "skip", "waits for Stable cross-entropy"),
            _check("accuracy", "Accuracy on clothes", "pass" if earned == 30 else "partial")
            | {"kind": "metric", "points": earned, "max_points": 30},
        ],
        "metrics": [
            {
                "name": "accuracy",
                "value": accuracy,
                "unit": "",
                "ci95": [accuracy - 0.025, accuracy + 0.024],
                "n": 1000,
                "threshold": 0.79,
                "floor": 0.6,
                "source": "measured",
            }
        ],
        **changes,
    }
    write_json(run.result, result)
    return result


CARD = {
    "lab": LAB,
    "impl": "mine",
    "status": "finished",
    "started": "2026-11-21T22:11:44+00:00",
    "seeds": {"clothes": 0},
    "threads": 1,
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "hardware": {"machine": "x86_64", "cores": 2, "gpus": [], "system": "Linux"},
    "cost": {"wall_s": 31.4, "cpu_s": 58.9, "peak_memory_mb": 612, "flops": 3_180_000_000_000},
}


def _check(id: str, title: str, status: str, message: str = "") -> dict[str, Any]:
    return {
        "id": id,
        "title": title,
        "kind": "code",
        "status": status,
        "points": 5 if status == "pass" else 0,
        "max_points": 5,
        "message": message,
        "sentence": f"What {title} promises.",
        "hint_id": id,
        "required": False,
    }


def _train_arm(arm: str, lr: float) -> tuple[list[dict[str, float]], Tensor, Tensor]:
    torch.manual_seed(0)
    if arm == "clothes":
        dataset, model, epochs = "fashion_mnist", Clothes(), 8
        train = {k: v[:2000] for k, v in data.load(dataset, "train").items()}
    elif arm == "vowels":
        dataset, model, epochs, lr = "japanese_vowels", Sequence(12, 9), 20, 1e-2
        train = data.load(dataset, "train")
    elif arm == "reviews":
        dataset, epochs, lr = "clothing_reviews", 3, 1e-2
        model = Sequence(16, 2, len(data.vocabulary(dataset)))
        train = {k: v[:1500] for k, v in data.load(dataset, "train").items()}
    else:
        dataset, epochs, lr = "shakespeare", 2, 1e-2
        model = Sequence(16, len(data.vocabulary(dataset)), len(data.vocabulary(dataset)))
        train = {k: v[:2000] for k, v in data.items(dataset, "train").items()}
    val = data.items(dataset, "val")
    curve = fit(model, train, val, torch.optim.Adam(model.parameters(), lr), epochs=epochs)
    with torch.inference_mode():
        scores = model.predict({k: v for k, v in val.items() if k != "label"})
    return curve, scores.clone(), val["label"]
