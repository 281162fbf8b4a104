"""Given to you: runs on digits, kept in folders: `python -m labs.lab16_tracking_repro.given`.

`run NAME [KEY=VALUE …]` trains and keeps a card and a log, `rerun NAME` makes a run again, and
`diff NAME NAME` says what differs and which was better. A run that is made again needs its own log.
"""

import csv
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from dllab.data import load
from labs.lab16_tracking_repro import lab

RUNS = Path(tempfile.gettempdir()) / "lab16"
LOSS = "val/loss"


def loggers(folder: Path) -> Any:
    """The log of a run, an alarm, and TensorBoard and W&B (offline) where they are installed."""
    behind: list[Any] = [lab.CSVLogger(folder / "log.csv"), lab.Alarm(print, factor=10.0)]
    try:
        from torch.utils.tensorboard import SummaryWriter

        behind.append(lab.TensorBoard(SummaryWriter(str(folder / "tensorboard"))))
    except ImportError:
        print("TensorBoard is not installed: pip install tensorboard")
    try:
        import wandb

        quiet = wandb.Settings(silent=True)
        run = wandb.init(mode="offline", dir=str(folder), project="lab16", settings=quiet)
        behind.append(lab.WandB(run))
    except ImportError:
        print("W&B is not installed: pip install wandb")
    return lab.Several(behind)


def digest(weights: Mapping[str, Tensor]) -> str:
    """The hash of weights, 16 digits of it."""
    tensors = (tensor.numpy().tobytes() for tensor in weights.values())
    return hashlib.sha256(b"".join(tensors)).hexdigest()[:16]


def finish(folder: Path, card: dict[str, Any]) -> None:
    """Make the run of a card, and keep its log in a new folder."""
    if folder.exists():
        sys.exit(f"{folder} is there already: take another name, or remove it")
    folder.mkdir(parents=True)
    logger = loggers(folder)
    data = {part: load("digits", part) for part in ("train", "val")}
    try:
        weights = lab.rerun(card, data, Path(lab.__file__), logger)
    except lab.CardError:
        shutil.rmtree(folder)
        raise
    logger.close()
    (folder / "card.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
    print(f"{folder}: digest of the weights {digest(weights)}")


def run(name: str, *overrides: str) -> None:
    """Make a new run."""
    data = {part: load("digits", part) for part in ("train", "val")}
    config = lab.override(lab.CONFIG, overrides)
    finish(RUNS / name, lab.make_card(config, data, Path(lab.__file__)))


def rerun(name: str) -> None:
    """Make a run again."""
    finish(RUNS / f"{name}-again", card_of(name))


def card_of(name: str) -> dict[str, Any]:
    """The card of a run."""
    card: dict[str, Any] = json.loads((RUNS / name / "card.json").read_text(encoding="utf-8"))
    return card


def last_values(name: str) -> dict[str, float]:
    """The last value of each name in a run's log."""
    with (RUNS / name / "log.csv").open(newline="", encoding="utf-8") as file:
        return {line["name"]: float(line["value"]) for line in csv.DictReader(file)}


def diff(one: str, other: str) -> None:
    """Say what two runs have otherwise, and which one is better."""
    for key, (old, new) in lab.diff(card_of(one), card_of(other)).items():
        print(f"{key}: {old} → {new}")
    runs = {name: last_values(name) for name in (one, other)}
    print(f"the lower {LOSS} has {lab.best(runs, LOSS)}:", *(runs[n][LOSS] for n in runs))


if __name__ == "__main__":
    COMMANDS = {"run": run, "rerun": rerun, "diff": diff}
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except (lab.CardError, lab.ConfigError, OSError) as error:
        sys.exit(str(error))
