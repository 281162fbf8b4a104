"""Lab 16: runs that are told apart by their cards, and made again to equal bits.

Work through the TODOs from top to bottom; `dllab hint 16 TASK` helps. A *config* is a tree of
dicts, as YAML holds it; its leaves are called by dotted keys such as "model.width". A *run* is what
`train` does with a config and data. *Rows* are a dict of tensors that share their first dimension;
the data of a run are rows by the name of their part, such as "train". B items in a batch, N in all.
"""

import copy
import csv
import hashlib
import json
import math
import platform
import random
import statistics
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

Leaf = bool | int | float | str
Tree = dict[str, Any]  # of leaves and trees
Rows = Mapping[str, Tensor]

CONFIG: Tree = {
    "seed": 0,
    "epochs": 3,
    "data": {"batch_size": 32, "workers": 0, "noise": 1.0},
    "model": {"width": 32, "dropout": 0.2, "activation": "relu"},
    "optimizer": {"lr": 0.1, "momentum": 0.9, "nesterov": False},
}

# 1. The config ------------------------------------------------------------------------------------


class ConfigError(Exception):
    """What is asked of a config cannot be; the message says which key or value, and why."""


def flatten(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """All leaves of a tree by their dotted keys, in the tree's order."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        below = isinstance(value, Mapping)
        leaves |= flatten(value, f"{above}{name}.") if below else {f"{above}{name}": value}
    return leaves


def read(text: str, old: Leaf) -> Leaf:
    """What `text` says, as a value of the same type as `old`, which it is to replace."""
    # BEGIN SOLUTION read: return a bool, int, float or str, as `old` is.
    # A bool is written true or false, in small letters or not. Beware: every text but the empty
    # one is true to bool(), and a bool is an int as well. Raise ConfigError, with the text in its
    # message, where the text is not of that type.
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(old)(text)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{text!r} is not of type {type(old).__name__}") from error
    # END SOLUTION


def override(config: Tree, overrides: Sequence[str]) -> Tree:
    """A new config, with some leaves replaced: ["model.width=64", "seed=1"]. The old one stays."""
    # BEGIN SOLUTION override: return a changed copy of the whole tree.
    # Each override is KEY=TEXT, cut at its first "="; `read` makes a value of the text. A later
    # override wins. Raise ConfigError, with the override in its message, for one without "=", and
    # for a key that is not a leaf of this config: `flatten` knows them all. copy.deepcopy copies
    # the branches as well.
    new, known = copy.deepcopy(config), flatten(config)
    for line in overrides:
        key, sign, text = line.partition("=")
        if not sign or key not in known:
            raise ConfigError(f"{line!r} is not KEY=VALUE with one of the keys {', '.join(known)}")
        *branches, leaf = key.split(".")
        place = new
        for branch in branches:
            place = place[branch]
        place[leaf] = read(text, known[key])
    return new
    # END SOLUTION


# 2. Seeds -----------------------------------------------------------------------------------------


def seed_everything(seed: int) -> None:
    """Seed the three global generators: whatever was drawn before, the same numbers follow."""
    # BEGIN SOLUTION seed: seed the generators of Python, NumPy and PyTorch.
    # `seed` is in [0, 2^63). NumPy takes no more than 32 bits: give it the remainder modulo
    # 2^32.
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    # END SOLUTION


def derive(seed: int, name: str) -> int:
    """A seed in [0, 2^32) for one purpose, a function of the run's seed and the purpose's name.

    seed + 1, seed + 2, … would not do: they are the seeds of the neighbouring runs.
    """
    # BEGIN SOLUTION derive: return the first four bytes of a SHA-256, as a number.
    # What is hashed is the text SEED/NAME, such as 7/loader, in UTF-8 (str.encode). The bytes are
    # read with the highest first: int.from_bytes(…, "big"). The built-in hash() of a text is
    # another one in each process.
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
    # END SOLUTION


class Jittered(Dataset[tuple[Tensor, Tensor]]):
    """Digits that are shifted by up to a pixel and get noise, drawn anew each time.

    `rng` is a generator of this data set alone. Images are uint8 [N, 1, 8, 8], labels int64 [N].
    """

    def __init__(self, rows: Rows, noise: float) -> None:
        self.rows, self.noise = rows, noise
        self.rng = np.random.default_rng()

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.rows["label"])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One image, float32 [1, 8, 8], and its label, int64 []."""
        shift = random.randint(-1, 1)
        noise = torch.from_numpy(self.rng.standard_normal((1, 8, 8), dtype=np.float32))
        image = self.rows["image"][index].roll(shift, dims=-1) + self.noise * noise
        return image / 16, self.rows["label"][index]


def seed_worker(worker_id: int) -> None:
    """A DataLoader calls this in each worker, when an epoch begins.

    The data set is a copy there, with a copy of its `rng`: all workers would draw the same.
    """
    # BEGIN SOLUTION workers: give this worker's copy an rng of its own.
    # get_worker_info() has .dataset, this worker's copy, and .seed, an int that is another one in
    # each worker and each epoch, and follows from the loader's generator.
    # np.random.default_rng(…) makes a generator of a seed.
    info = get_worker_info()
    info.dataset.rng = np.random.default_rng(info.seed)
    # END SOLUTION


def make_loader(dataset: Any, batch_size: int, seed: int, workers: int = 0) -> DataLoader[Any]:
    """Batches in an order that is drawn each epoch. All that is drawn follows from `seed`."""
    # BEGIN SOLUTION loader: return a DataLoader that shuffles.
    # dataset.rng becomes np.random.default_rng with the seed derive(seed, "data"): without workers,
    # that is the one that counts. The order is drawn from a torch.Generator of its own, with the
    # seed derive(seed, "loader"). num_workers= and worker_init_fn= are for the workers.
    dataset.rng = np.random.default_rng(derive(seed, "data"))
    return DataLoader(
        dataset,
        batch_size,
        shuffle=True,
        num_workers=workers,
        generator=torch.Generator().manual_seed(derive(seed, "loader")),
        worker_init_fn=seed_worker,
    )
    # END SOLUTION


# 3. The card of a run -----------------------------------------------------------------------------


def data_hash(rows: Rows) -> str:
    """The SHA-256 of rows, 64 hex digits: another one whenever anything in them is another."""
    # BEGIN SOLUTION data-hash: return the hash of names, dtypes, shapes and bytes.
    # Columns in another order are the same rows: go through their sorted names. For each, update
    # one hashlib.sha256() with a text that holds name, dtype and shape, then with all bytes of the
    # tensor: tensor.numpy().tobytes(). str(tensor) leaves out the middle of a long one.
    sha = hashlib.sha256()
    for name in sorted(rows):
        tensor = rows[name]
        sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()
    # END SOLUTION


def make_card(config: Tree, data: Mapping[str, Rows], code: Path) -> Tree:
    """All that a run follows from, as JSON can hold it; `code` is the file with the training code.

    The time is not on it: two runs with equal cards shall be the same run.
    """
    # BEGIN SOLUTION card: return a dict of five things.
    # config; data (a dict: data_hash of the rows of each part, by its name); code (the SHA-256 of
    # the file's bytes, in hex digits); versions (a dict of python, numpy and torch:
    # platform.python_version(), np.__version__, torch.__version__); threads
    # (torch.get_num_threads(): sums round otherwise with more). What somebody does to the config
    # later must not change the card: json.loads(json.dumps(…)) makes a copy.
    card = {
        "config": config,
        "data": {part: data_hash(rows) for part, rows in data.items()},
        "code": hashlib.sha256(code.read_bytes()).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "threads": torch.get_num_threads(),
    }
    copied: Tree = json.loads(json.dumps(card))
    return copied
    # END SOLUTION


# 4. Loggers ---------------------------------------------------------------------------------------


class Logger(Protocol):
    """Whatever keeps the numbers of a run. `train` knows no more of it than this."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep some values by their names, such as train/loss, of one step."""

    def close(self) -> None:
        """Nothing more will come."""


class CSVLogger:
    """Lines of step, name and value in a file, which must not be there yet."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("x", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(["step", "name", "value"])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep values; they may be tensors [] too."""
        # BEGIN SOLUTION csv: write a line for each value, and flush.
        # self.writer.writerow takes a list, and writes a float in as many digits as bring the same
        # float back; so make one of each value, and do not round. A run that is killed loses what
        # was not flushed: self.file.flush().
        for name, value in values.items():
            self.writer.writerow([step, name, float(value)])
        self.file.flush()
        # END SOLUTION

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class WandB:
    """Hands values on to a run of Weights & Biases; given to you, as an example."""

    def __init__(self, run: Any) -> None:
        self.run = run  # of wandb.init(mode="offline")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One call for all values of a step."""
        self.run.log({name: float(value) for name, value in values.items()}, step=step)

    def close(self) -> None:
        """End the run."""
        self.run.finish()


class TensorBoard:
    """Hands values on to a SummaryWriter of TensorBoard."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer  # torch.utils.tensorboard.SummaryWriter(folder)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep values; they may be tensors [] too."""
        # BEGIN SOLUTION tensorboard: hand each value on.
        # self.writer.add_scalar(name, value, step), where the value is a float.
        for name, value in values.items():
            self.writer.add_scalar(name, float(value), step)
        # END SOLUTION

    def close(self) -> None:
        """Close the writer."""
        self.writer.close()


class Several:
    """Several loggers behind one. One that fails is left out from then on; the run goes on."""

    def __init__(self, loggers: Iterable[Logger]) -> None:
        self.loggers = list(loggers)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Let each logger keep the values."""
        # BEGIN SOLUTION several: hand the values to each; drop those that fail.
        # Each gets a dict of its own, since it may change it. When one raises an Exception, say so
        # with warnings.warn(…), whose text holds the name of the logger's class and the error, and
        # take it out of self.loggers. Beware: whoever goes through a list and removes from it skips
        # the next one.
        for logger in list(self.loggers):
            try:
                logger.log(step, dict(values))
            except Exception as error:  # noqa: BLE001 - no tracker is worth a training
                name = type(logger).__name__
                warnings.warn(f"{name} is left out from step {step} on: {error}", stacklevel=2)
                self.loggers.remove(logger)
        # END SOLUTION

    def close(self) -> None:
        """Close those that are left."""
        for logger in self.loggers:
            logger.close()


class Alarm:
    """A logger that tells of trouble: of a value that is not finite, or far above the last ones.

    Small losses and gradients are healthy, so a value is only ever too large.
    """

    def __init__(self, tell: Callable[[str], object], factor: float = 3.0, last: int = 5) -> None:
        self.tell, self.factor, self.last = tell, factor, last
        self.healthy: dict[str, list[float]] = {}  # the healthy values of each name

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Look at each value."""
        # BEGIN SOLUTION alarm: tell of values in trouble, keep the healthy ones.
        # In trouble is what is not finite, and what is above self.factor times the median of the
        # last self.last healthy values of its name, once there are so many: statistics.median. Call
        # self.tell with a text that holds name and step. All others join self.healthy[name], which
        # may not be there yet. A value in trouble must not: the next one would look healthy.
        for name, value in values.items():
            healthy = self.healthy.setdefault(name, [])
            recent = healthy[-self.last :]
            usual = statistics.median(recent) if len(recent) == self.last else math.inf
            if math.isfinite(value) and value <= self.factor * usual:
                healthy.append(value)
            else:
                self.tell(f"{name} is {value} at step {step}")
        # END SOLUTION

    def close(self) -> None:
        """There is nothing to close."""


# 5. A run, and another one ------------------------------------------------------------------------


def train(config: Tree, data: Mapping[str, Rows], logger: Logger) -> dict[str, Tensor]:
    """A run: train a small network on the rows of "train"; return its weights by their names."""
    seed_everything(config["seed"])
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, config["model"]["width"]),
        {"relu": nn.ReLU, "tanh": nn.Tanh}[config["model"]["activation"]](),
        nn.Dropout(config["model"]["dropout"]),
        nn.Linear(config["model"]["width"], 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), **config["optimizer"])
    drawn = Jittered(data["train"], config["data"]["noise"])
    loader = make_loader(
        drawn, config["data"]["batch_size"], config["seed"], config["data"]["workers"]
    )
    step = 0
    for _ in range(config["epochs"]):
        model.train()
        for image, label in loader:
            loss = F.cross_entropy(model(image), label)
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
            optimizer.step()
            step += 1
            logger.log(step, {"train/loss": loss.item(), "train/gradient": norm})
        logger.log(step, {"val/loss": validation_loss(model, data["val"])})
    return model.state_dict()


@torch.no_grad()
def validation_loss(model: nn.Module, rows: Rows) -> float:
    """The mean loss on images as they are."""
    return F.cross_entropy(model.eval()(rows["image"] / 16), rows["label"]).item()


MISSING = "(missing)"  # where a key stands on one card alone


def diff(old: Tree, new: Tree) -> dict[str, tuple[Any, Any]]:
    """What differs between two cards or configs: (old value, new value) by dotted key."""
    # BEGIN SOLUTION diff: return the leaves that differ, by their sorted keys.
    # `flatten` both. A key may stand on one side alone, where None would look like a value: the
    # other side is MISSING. 1, 1.0 and True are equal to Python, but as settings they are not:
    # compare the types too, or json.dumps of both.
    left, right = flatten(old), flatten(new)
    pairs = {key: (left.get(key, MISSING), right.get(key, MISSING)) for key in {*left, *right}}
    return {
        key: (one, other)
        for key, (one, other) in sorted(pairs.items())
        if json.dumps(one) != json.dumps(other)
    }
    # END SOLUTION


def best(runs: Mapping[str, Mapping[str, float]], name: str) -> str:
    """Which run has the least value, of runs that have it: {"a": {"val/loss": 0.3}, "b": {}}."""
    # BEGIN SOLUTION best: return the name of the best run.
    # A run may have died before it measured that value, or it may be nan or infinite: leave those
    # out. min() is led astray by nan. Raise ValueError, with the value's name in its message, if no
    # run is left.
    finite = {
        run: values[name]
        for run, values in runs.items()
        if name in values and math.isfinite(values[name])
    }
    if not finite:
        raise ValueError(f"no run has measured {name}")
    return min(finite, key=lambda run: finite[run])
    # END SOLUTION


class CardError(Exception):
    """Something is not as a card says; the message names the dotted keys."""


def rerun(card: Tree, data: Mapping[str, Rows], code: Path, logger: Logger) -> dict[str, Tensor]:
    """Make the run of a card again, bit for bit; return its weights.

    Raises CardError before any training, if data, code, versions or threads are other ones now.
    """
    # BEGIN SOLUTION rerun: hold the card against the present, then train.
    # The card of the present has the old card's config; `diff` says what is otherwise. The message
    # of the CardError names all keys of that diff. CONFIG is not what this run was made from.
    changed = diff(card, make_card(card["config"], data, code))
    if changed:
        raise CardError(f"not as on the card: {', '.join(changed)}")
    return train(card["config"], data, logger)
    # END SOLUTION
