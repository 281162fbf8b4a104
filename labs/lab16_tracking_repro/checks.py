"""The visible checks of lab 16, in the order of its tasks.

Much of it is facts: what must hold, and what is said where it does not.
"""

import csv
import hashlib
import json
import platform
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from multiprocessing import process
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import worker

from dllab.checks import Arrays, Given, check, integers, uniform
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import words_in

CONFIG = {"seed": integers(0, 1000), "noise": uniform(low=0.1), "width": integers(3, 9)}


def config_of(given: Given) -> dict[str, Any]:
    """A config with drawn numbers."""
    return {
        "seed": int(given.seed),
        "epochs": 2,
        "data": {"batch_size": 4, "workers": 0, "noise": float(given.noise)},
        "model": {"width": int(given.width), "dropout": 0.2, "activation": "relu"},
        "optimizer": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    }


def refuses(call: Callable[[], Any], error: type[Exception], word: str) -> bool:
    """Whether a call raises this error, with this word in its message."""
    try:
        call()
    except error as raised:
        if word not in str(raised):
            text = f"the message of {error.__name__} should hold {word!r}, but is {raised}"
            raise ReturnedError(text) from raised
        return True
    return False


def told(facts: Mapping[str, Any]) -> Arrays:
    """Facts and numbers by their names, as tensors."""
    return {name: torch.as_tensor(fact) for name, fact in facts.items()}


def wrong(facts: Mapping[str, str]) -> dict[str, Any]:
    """The mistakes that facts tell when they do not hold."""
    return {words: {fact: False} for fact, words in facts.items()}


def true(facts: Mapping[str, str]) -> dict[str, Any]:
    """All of these facts."""
    return dict.fromkeys(facts, True)


# The config ---------------------------------------------------------------------------------------

READ = {
    "false is False": 'bool("false") is True, as of every text but the empty one',
    "True, FALSE": "True and False may be written in any letters: text.lower()",
    "types": "each value is of the old one's type: do not guess from the text",
    "text": "where the old value is a text, the new one stays a text",
    "refused, for a float": "text that is not a number is let through for a float",
    "refused, for an int": "0.5 is let through for an int",
    "refused, for a bool": "text other than true and false is let through for a bool",
}


@check(
    "read",
    "Text, read by type",
    given={"number": integers(2, 999), "share": uniform(low=0.1)},
    expect=lambda g: {"a float": round(float(g.share), 4), **true(READ)},
    mistakes=wrong(READ),
)
def read(lab: ModuleType, given: Given) -> Arrays:
    """`read` makes a value of the old one's type, and refuses other text with a ConfigError."""
    number, share = str(int(given.number)), str(round(float(given.share), 4))

    def value(text: str, old: Any) -> Any:
        try:
            return lab.read(text, old)
        except lab.ConfigError:
            return None

    def refused(text: str, old: Any) -> bool:
        return refuses(lambda: lab.read(text, old), lab.ConfigError, text)

    facts = [
        value("false", True) is False,
        value("True", False) is True and value("FALSE", True) is False,
        type(value(number, 1)) is int and type(value(number, 1.0)) is float,
        value(number, "adam") == number,
        refused("0.5x", 1.0),
        refused(share, 1),
        refused("maybe", True),
    ]
    return told({"a float": float(lab.read(share, 1.0)), **dict(zip(READ, facts, strict=True))})


OVERRIDE = {
    "old config": "the given config changes: its branches are shared, so copy.deepcopy",
    "other leaves": "a leaf that nobody named is another one now",
    "a=b": "a text may hold =: cut at the first one (str.partition)",
    "unknown": "an unknown key is let in: misspelt, it would do nothing, and nobody would know",
    "branch": "a whole branch is replaced by a value: model=3",
    "no =": "an override without = is let through",
}


@check(
    "override",
    "A config with overrides",
    given={**CONFIG, "other": integers(10, 99), "rate": uniform(low=0.2)},
    expect=lambda g: {
        "seed, model.width": [int(g.other), int(g.other) + 1],
        "optimizer.lr": round(float(g.rate), 3),
        **true(OVERRIDE),
    },
    mistakes=wrong(OVERRIDE)
    | {"the first of two overrides wins; the last should": {"optimizer.lr": 0.5}},
    depends_on=("read",),
)
def override(lab: ModuleType, given: Given) -> Arrays:
    """`override` returns a new tree with some leaves replaced, and refuses unknown keys."""
    config, other, rate = config_of(given), int(given.other), round(float(given.rate), 3)
    lines = [
        f"seed={other}",
        f"model.width={other + 1}",
        "optimizer.lr=0.5",
        f"optimizer.lr={rate}",
    ]
    new = lab.override(config, lines)
    kept = [new["epochs"], new["data"], new["model"]["activation"]]

    def refused(line: str) -> bool:
        return refuses(lambda: lab.override(config_of(given), [line]), lab.ConfigError, line)

    text = None
    with suppress(lab.ConfigError, ValueError):
        text = lab.override(config_of(given), ["model.activation=a=b"])["model"]["activation"]
    facts = [
        config == config_of(given),
        kept == [2, config_of(given)["data"], "relu"],
        text == "a=b",
        refused("model.widht=3") and refused("momentum=0.5"),
        refused("model=3"),
        refused("model.activation"),
    ]
    return told(
        {
            "seed, model.width": [int(new["seed"]), int(new["model"]["width"])],
            "optimizer.lr": float(new["optimizer"]["lr"]),
            **dict(zip(OVERRIDE, facts, strict=True)),
        }
    )


# Seeds --------------------------------------------------------------------------------------------


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch."""
    for plant, bits in ((random.seed, 64), (np.random.seed, 32), (torch.manual_seed, 63)):
        plant(seed % 2**bits)


def draws() -> dict[str, float]:
    """The next number of each global generator."""
    number = float(torch.rand(()))
    return {"Python": random.random(), "NumPy": float(np.random.rand()), "PyTorch": number}


def after(seed: Tensor) -> dict[str, float]:
    """What comes of each generator after a seed."""
    with torch.random.fork_rng():
        seed_all(int(seed))
        return draws()


AGAIN = {"again": "other numbers each time: is the time, or something drawn, part of a seed?"}


@check(
    "seed",
    "Every generator is seeded",
    given={"seed": integers(2**33, 2**40), "before": integers(0, 2**30)},
    expect=lambda g: {**after(g.seed), **true(AGAIN)},
    mistakes={
        **{
            f"{name}'s generator is not seeded": lambda g, name=name: {name: after(g.before)[name]}
            for name in ("Python", "NumPy", "PyTorch")
        },
        **wrong(AGAIN),
    },
)
def seed(lab: ModuleType, given: Given) -> Arrays:
    """`seed_everything` makes all three generators draw the same again, whatever came before."""
    runs = []
    for place in range(2):
        seed_all(int(given.before) + place)
        lab.seed_everything(int(given.seed))
        runs.append(draws())
    return told({**runs[0], "again": runs[0] == runs[1]})


def derived(seed: Tensor, name: str, order: Any = "big", *, text: str = "{}/{}") -> int:
    """A seed for one purpose."""
    digest = hashlib.sha256(text.format(int(seed), name).encode()).digest()
    return int.from_bytes(digest[:4], order)


@check(
    "derive", "A seed for each purpose",
    given={"seed": integers(0, 10_000)},
    expect=lambda g: derived(g.seed, "loader"),
    mistakes={
        "the bytes are read with the lowest first": lambda g: derived(g.seed, "loader", "little"),
        "the name has no part in it: all purposes get one seed": lambda g: derived(
            g.seed, "", text="{}"
        ),
        "the run's seed has no part in it: all runs draw the same": lambda g: derived(
            g.seed, "loader", text="{1}"
        ),
    },
)  # fmt: skip
def derive(lab: ModuleType, given: Given) -> Tensor:
    """`derive` makes a seed of the run's seed and a name, the same in every process."""
    if "hash" in words_in(lab.derive):
        raise ReturnedError("the built-in hash() of a text is another one in each process")
    return torch.tensor(lab.derive(int(given.seed), "loader"))


class Drawn(Dataset[list[float]]):
    """Items that are their place, and a number from the data set's own generator."""

    def __init__(self, items: int) -> None:
        self.items, self.rng = items, np.random.default_rng(99)

    def __len__(self) -> int:
        """How many there are."""
        return self.items

    def __getitem__(self, index: int) -> list[float]:
        """One of them."""
        return [index, self.rng.random()]


ITEMS, WORKERS, EPOCHS = 6, 3, 2


def epochs_of(loader: Any) -> Tensor:
    """What a loader of `Drawn` hands out in some epochs, float64 [EPOCHS * N, 2]."""
    batches = [batch for _ in range(EPOCHS) for batch in loader]
    columns = [[torch.as_tensor(column).double() for column in batch] for batch in batches]
    return torch.cat([torch.stack(two, dim=-1).reshape(-1, 2) for two in columns])


def by_workers(given: Given, seed_of: Callable[[int, int], int]) -> Tensor:
    """The first number that each worker draws in each epoch; `seed_of` knows base and worker."""
    seeds = [[seed_of(base, number) for number in range(WORKERS)] for base in given.base.tolist()]
    return torch.tensor([[np.random.default_rng(one).random() for one in row] for row in seeds])


@check(
    "workers", "Workers that draw their own",
    given={"base": integers(0, 2**40, EPOCHS)},
    expect=lambda g: by_workers(g, lambda base, number: base + number),
    mistakes={
        "the data set's rng is as it was: all workers draw the same, in each epoch": lambda g: (
            by_workers(g, lambda _base, _number: 99)
        ),
        "each epoch draws the same: worker_id alone is no seed": lambda g: (
            by_workers(g, lambda _base, number: number)
        ),
        "info.seed differs in each worker already": lambda g: (
            by_workers(g, lambda base, number: base + 2 * number)
        ),
    },
)  # fmt: skip
def workers(lab: ModuleType, given: Given) -> Tensor:
    """Each worker draws other numbers, and others in each epoch, which follow from its seed."""
    bases, numbers = given.base.tolist(), range(WORKERS)
    return torch.tensor([[drawn_by(lab, n, base + n) for n in numbers] for base in bases])


def drawn_by(lab: ModuleType, number: int, seed: int) -> float:
    """What a worker's copy of the data set draws first, where a DataLoader has seeded it so."""
    info = SimpleNamespace(id=number, num_workers=WORKERS, seed=seed, dataset=Drawn(ITEMS))
    with patch.object(worker, "_worker_info", info):
        seed_all(seed)
        lab.seed_worker(number)
    return float(info.dataset.rng.random())


def orderly(given: Given, *, data: int | None = None, order: int | None = None) -> Arrays:
    """Order and numbers of some epochs without workers, with these seeds for data and order."""
    dataset = Drawn(ITEMS)
    dataset.rng = np.random.default_rng(derived(given.seed, "data") if data is None else data)
    shuffled = derived(given.seed, "loader") if order is None else order
    generator = torch.Generator().manual_seed(shuffled)
    seen = epochs_of(DataLoader(dataset, 4, shuffle=True, generator=generator))
    drew = {"what the data set drew": seen[:, 1]}
    return drew if data is not None else {"order": seen[:, 0], **drew}


LOADER = {
    "workers' seeds": "the workers are not seeded: worker_init_fn",
    "num_workers": "num_workers is not handed on",
}


@check(
    "loader",
    "A loader that follows from the seed",
    given={"seed": integers(0, 10_000), "before": integers(0, 2**30)},
    expect=lambda g: {**orderly(g), **true(LOADER)},
    mistakes={
        "the data set's rng is not seeded: without workers nobody else does it": lambda g: orderly(
            g, data=99
        ),
        "the order is drawn with the run's seed itself: derive one": lambda g: {
            "order": orderly(g, order=int(g.seed))["order"]
        },
        "order and data get one seed: derive one for each": lambda g: orderly(
            g, data=derived(g.seed, "loader")
        ),
        "nothing is shuffled": {"order": [*map(float, range(ITEMS))] * EPOCHS},
        "the last items of each epoch are left out": lambda g: {
            "order": orderly(g)["order"].reshape(EPOCHS, ITEMS)[:, :4].flatten()
        },
        **wrong(LOADER),
    },
)
def loader(lab: ModuleType, given: Given) -> Arrays:
    """`make_loader` shuffles each epoch anew; all that it draws follows from the seed alone."""
    torch.manual_seed(int(given.before))
    made = lab.make_loader(Drawn(ITEMS), 4, int(given.seed))
    if made.generator is None:
        raise ReturnedError("without generator= the order depends on whatever was drawn before")
    seen = epochs_of(made)
    more = lab.make_loader(Drawn(ITEMS), 4, int(given.seed), 3)
    facts = [more.worker_init_fn is lab.seed_worker, more.num_workers == 3]
    wanted = {"order": seen[:, 0], "what the data set drew": seen[:, 1]}
    return told({**wanted, **dict(zip(LOADER, facts, strict=True))})


# The card -----------------------------------------------------------------------------------------


def rows_of(rng: torch.Generator, items: int = 1200) -> Arrays:
    """Draw digits of a kind: too many numbers to print them all."""
    return {
        "image": torch.randint(0, 17, (items, 1, 8, 8), generator=rng, dtype=torch.uint8),
        "label": torch.randint(0, 10, (items,), generator=rng),
    }


def replaced(column: Tensor, place: int = -1) -> Tensor:
    """A copy with another number in the middle, or at some other place."""
    changed = column.clone()
    changed.view(-1)[changed.numel() // 2 if place < 0 else place] += 1
    return changed


Rows = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
ROWS: dict[str, tuple[bool, str, Rows]] = {
    "a copy": (
        True, "another hash each time: is hash(), id() or the time part of it?",
        lambda image, label: {"image": image.clone(), "label": label.clone()},
    ),
    "other order of columns": (
        True, "columns in another order are the same rows: sort the names",
        lambda image, label: {"label": label, "image": image},
    ),
    "one pixel": (
        False, "another pixel in the middle, and the same hash: str(tensor) leaves the middle out",
        lambda image, label: {"image": replaced(image), "label": label},
    ),
    "one label": (
        False, "another label in the middle, and the same hash: hash all bytes",
        lambda image, label: {"image": image, "label": replaced(label)},
    ),
    "order of rows": (
        False, "the order of the rows has no part in it, as in a sum",
        lambda image, label: {"image": image.flip(0), "label": label.flip(0)},
    ),
    "names": (
        False, "the names of the columns have no part in it",
        lambda image, label: {"image": image, "target": label},
    ),
    "shapes": (
        False, "the shapes have no part in it",
        lambda image, label: {"image": image.flatten(1), "label": label},
    ),
    "dtypes": (
        False, "the dtypes have no part in it: the same bytes can be other numbers",
        lambda image, label: {"image": image, "label": label.view(torch.float64)},
    ),
}  # fmt: skip
HASH = {name: words for name, (_, words, _) in ROWS.items()}


@check("data-hash", "The hash of data", given=rows_of, expect=true(HASH), mistakes=wrong(HASH))
def data_hash(lab: ModuleType, given: Given) -> Arrays:
    """`data_hash` is another one whenever something in the rows is, and only then."""
    value = lab.data_hash(dict(given))
    if not isinstance(value, str) or len(value) != 64:
        raise ReturnedError(f"expected 64 hex digits, got {value!r}")
    return told(
        {
            name: (lab.data_hash(dict(change(given.image, given.label))) == value) is same
            for name, (same, _, change) in ROWS.items()
        }
    )


RUN = {
    **CONFIG,
    "image": integers(0, 17, 60, 1, 8, 8, dtype=torch.uint8),
    "label": integers(0, 10, 60),
}


def data_of(given: Given) -> dict[str, Arrays]:
    """The data of a run, in two parts."""
    rows = {name: given[name] for name in ("image", "label")}
    return {
        "train": {name: column[:40] for name, column in rows.items()},
        "val": {name: column[40:] for name, column in rows.items()},
    }


@contextmanager
def code_file() -> Iterator[Path]:
    """A file with code in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.py"
        path.write_text("lr = 0.1", encoding="utf-8")
        yield path


CARD = {
    "data": "the data are left out, or a part of them: {part: data_hash(rows), …}",
    "code": "the code is left out: hash the bytes that the file holds, not its name",
    "versions": "versions should hold python, numpy and torch",
    "threads": "the number of threads is left out",
    "config": "the config is left out",
    "own copy": "the card changes with the config: it holds the same dict, not a copy",
    "the same each time": "two cards of one run differ: is the time, or something drawn, on them?",
    "nothing else": "there is more on the card than a run follows from",
}


@check(
    "card",
    "What stands on the card",
    given=RUN,
    expect=true(CARD),
    mistakes=wrong(CARD),
    depends_on=("data-hash",),
)
def card(lab: ModuleType, given: Given) -> Arrays:
    """A card holds config, data, code, versions and threads, and nothing that changes by itself."""
    config, data = config_of(given), data_of(given)
    with code_file() as code:
        first, second = (lab.make_card(config, data, code) for _ in range(2))
        hashed = hashlib.sha256(code.read_bytes()).hexdigest()
    versions = [platform.python_version(), np.__version__, str(torch.__version__)]
    parts, threads = {part: lab.data_hash(rows) for part, rows in data.items()}, "threads"
    right = {
        "data": parts,
        "code": hashed,
        "versions": dict(zip(("python", "numpy", "torch"), versions, strict=True)),
        threads: torch.get_num_threads(),
        "config": config_of(given),
    }
    there = {name: first.get(name) == value for name, value in right.items()}
    before, again = (json.dumps(one, sort_keys=True) for one in (first, second))
    config["model"]["width"] += 1
    facts = [json.dumps(first, sort_keys=True) == before, again == before, set(first) <= set(right)]
    return told({**there, **dict(zip([*CARD][len(there) :], facts, strict=True))})


# Loggers ------------------------------------------------------------------------------------------


def lines_of(given: Given, digits: int = 99) -> Tensor:
    """Steps and values that `log_twice` logs, float64 [3, 2]."""
    values = [round(value, digits) for value in given.loss.tolist()]
    return torch.tensor([*zip([3.0, 4.0, 4.0], values, strict=True)]).double()


def log_twice(logger: Any, given: Given) -> None:
    """Two calls of `log`: a value in step 3, and two in step 4, one of which is a tensor."""
    logger.log(3, {"train/loss": float(given.loss[0])})
    logger.log(4, {"train/loss": given.loss[1], "val, all": float(given.loss[2])})


@check(
    "csv",
    "A log that a killed run leaves",
    given={"loss": lambda rng: torch.rand(3, generator=rng).double() + 0.1},
    expect=lines_of,
    mistakes={
        "nothing has reached the file yet: a killed run loses it (flush)": torch.zeros(0, 2),
        "digits are lost: other runs would look equal": lambda g: lines_of(g, 4),
    },
    atol=0.0,
    rtol=0.0,
)
def log_csv(lab: ModuleType, given: Given) -> Tensor:
    """Each value has a line in the file at once, from which the same float can be read."""
    with tempfile.TemporaryDirectory() as folder:
        logger = lab.CSVLogger(Path(folder) / "log.csv")
        log_twice(logger, given)
        with (Path(folder) / "log.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))[1:]
        logger.close()
    try:
        found = [[float(step), float(value)] for step, _name, value in lines]
    except ValueError as error:
        text = f"a line is not step, name and number: {error}; is a tensor written as it is?"
        raise ReturnedError(text) from error
    return torch.tensor(found).double().reshape(-1, 2)


@check(
    "tensorboard",
    "The same for TensorBoard",
    given={"loss": lambda rng: torch.rand(3, generator=rng).double() + 0.1},
    expect=lines_of,
    mistakes={
        "value and step are swapped: name, value, step": lambda g: lines_of(g).flip(1),
        "without the step all values stand at one place": lambda g: torch.stack(
            [-torch.ones(3).double(), g.loss], dim=1
        ),
    },
)
def tensorboard(lab: ModuleType, given: Given) -> Tensor:
    """Each value goes to `add_scalar` by its name, with its step."""
    calls: list[list[float]] = []

    def add_scalar(tag: Any, scalar_value: Any, global_step: Any = -1, **_more: Any) -> None:
        if tag not in ("train/loss", "val, all"):
            raise ReturnedError(f"the tag should be the name of the value, but is {tag!r}")
        if isinstance(scalar_value, Tensor):
            raise ReturnedError("a tensor is handed on as it is: make a float of it")
        calls.append([float(global_step), float(scalar_value)])

    log_twice(lab.TensorBoard(SimpleNamespace(add_scalar=add_scalar)), given)
    return torch.tensor(calls).double().reshape(-1, 2)


class Kept:
    """A logger that counts what it gets, and takes it out of the dict; or one that fails."""

    def __init__(self, error: str = "") -> None:
        self.count, self.error = 0, error

    def log(self, step: int, values: dict[str, float]) -> None:
        """Keep the values."""
        if self.error:
            raise ConnectionError(self.error)
        self.count += len(values)
        values.clear()

    def close(self) -> None:
        """Nothing more will come."""


GOT = "values that two others got"
NAMED = {"warning": "the warning should name the class of the logger, and the error"}


@check(
    "several",
    "One tracker fails, the run goes on",
    given={"loss": uniform(3, low=0.1)},
    expect={GOT: [3, 3], "warnings": 2, "loggers left": 3, **true(NAMED)},
    mistakes={
        "the error ends the training: catch any Exception": {"loggers left": -1},
        "all loggers share one dict, which one has emptied: give each its own": {GOT: [0, 0]},
        "behind a logger that failed, the next one was skipped: go through a copy of the list": {
            GOT: [3, 1]
        },
        "behind a logger that failed, nobody got anything": {GOT: [3, 0]},
        "it fails silently: warnings.warn": {"warnings": 0},
        "loggers that failed are asked again: take them out of self.loggers": {"loggers left": 5},
        **wrong(NAMED),
    },
)
def several(lab: ModuleType, given: Given) -> Arrays:
    """What a logger raises ends nothing; it is told once, and the others get every value."""
    second, last = Kept(), Kept()
    together = lab.Several([Kept(), second, Kept("no route"), Kept("no route"), last])
    left = -1
    with warnings.catch_warnings(record=True) as caught, suppress(ConnectionError):
        warnings.simplefilter("always")
        log_twice(together, given)
        left = len(together.loggers)
    words = [str(one.message) for one in caught]
    return told(
        {
            GOT: [second.count, last.count],
            "warnings": len(words),
            "loggers left": left,
            "warning": all("Kept" in text and "no route" in text for text in words),
        }
    )


ALARMS = "steps with an alarm"


def curve_of(rng: torch.Generator) -> Arrays:
    """Draw a healthy loss that comes into trouble at 2, and again from 8 to 13."""
    loss = 1 + torch.rand(16, generator=rng)
    loss[3] *= 20  # too early to tell
    loss[[2, *range(8, 14)]] = torch.tensor([torch.nan, 12.0, 40.0, 40.0, 40.0, 40.0, torch.inf])
    return {"loss": loss}


@check(
    "alarm",
    "An alarm within a step",
    given=curve_of,
    expect={ALARMS: [2, *range(8, 14)]},
    mistakes={
        "nan is not noticed: it is not above anything": {ALARMS: [*range(8, 14)]},
        "a value far above the last ones is not noticed": {ALARMS: [2, 13]},
        "a value in trouble joins the healthy ones": {ALARMS: [2, 8, 9, 10, 11, 13]},
        "the mean is led astray by one early large value: take the median": {
            ALARMS: [2, *range(9, 14)]
        },
    },
)
def alarm(lab: ModuleType, given: Given) -> Arrays:
    """Alarm tells at once, by name and step, of values that are not finite or far too large."""
    words: list[str] = []
    watch = lab.Alarm(words.append, 3.0, 5)
    heard = []
    for step, value in enumerate(given.loss.tolist()):
        before = len(words)
        watch.log(step, {"other": 100.0, "loss": value})
        heard += [step] * (len(words) - before)
        if any("loss" not in text or str(step) not in text for text in words[before:]):
            raise ReturnedError(f"an alarm should hold name and step, but is {words[before:]}")
    return {ALARMS: torch.tensor(heard).long()}


# Two runs -----------------------------------------------------------------------------------------

Tree = dict[str, Any]
PAIRS: dict[str, tuple[Tree, Tree, list[str], str]] = {
    "nothing": ({"x": 1, "y": "z"}, {"y": "z", "x": 1}, [], "what is equal is told as well"),
    "a leaf": (
        {"a": {"x": 1, "y": 2.5}}, {"a": {"x": 1, "y": 2.25}}, ["a.y"],
        "leaves are compared, not branches: flatten both",
    ),
    "old alone": ({"a": 1, "b": {"c": 2}}, {"a": 1}, ["b.c"], "keys of the old one alone are lost"),
    "new alone": ({"a": 1}, {"a": 1, "b": {"c": 2}}, ["b.c"], "keys of the new one alone are lost"),
    "None": (
        {"a": 1}, {"a": 1, "b": None}, ["b"],
        "a key that is not there looks like one whose value is None",
    ),
    "types": (
        {"a": True}, {"a": 1}, ["a"],
        "True, 1 and 1.0 are equal to Python, but not as settings: compare types too",
    ),
    "sorted": (
        {"c": 1, "a": 1, "b": 0}, {"c": 2, "b": 0, "a": 3}, ["a", "c"], "the keys are not sorted",
    ),
}  # fmt: skip
DIFF = {name: words for name, (_, _, _, words) in PAIRS.items()}
GONE = {"gone": "where a key is missing, its value is MISSING"}
VALUES = "old and new value"


@check(
    "diff",
    "What two cards have otherwise",
    given={"old": integers(0, 50), "new": integers(50, 99)},
    expect=lambda g: {**true(DIFF), VALUES: [int(g.old), int(g.new)], **true(GONE)},
    mistakes={
        **wrong(DIFF),
        "old and new are swapped": lambda g: {VALUES: [int(g.new), int(g.old)]},
        **wrong(GONE),
    },
)
def diff(lab: ModuleType, given: Given) -> Arrays:
    """`diff` tells the leaves that differ, with both values, by their sorted dotted keys."""
    old, new = int(given.old), int(given.new)
    found = lab.diff({"a": {"b": old}, "gone": 1}, {"a": {"b": new}})
    return told(
        {
            **{name: [*lab.diff(a, b)] == keys for name, (a, b, keys, _) in PAIRS.items()},
            VALUES: [*found.get("a.b", (-1, -1))],
            "gone": found.get("gone") == (1, lab.MISSING),
        }
    )


TURNS = {
    "a setting": "config.model.dropout", "one pixel": "data.train",
    "one label of the validation data": "data.val", "the code": "code", "NumPy": "versions.numpy",
    "Python": "versions.python", "the threads": "threads",
}  # fmt: skip
NAMES = {
    turn: f"{turn} was changed, and the diff of the cards is not {key} alone"
    for turn, key in TURNS.items()
}
PATCHES: dict[str, tuple[Any, str, Any]] = {
    "NumPy": (np, "__version__", "9.9"),
    "Python": (platform, "python_version", lambda: "9.9"),
    "the threads": (torch, "get_num_threads", lambda: 99),
}


@contextmanager
def otherwise(turn: str, config: Tree, data: dict[str, Arrays], code: Path) -> Iterator[None]:
    """A world in which one thing is another one."""
    if turn == "a setting":
        config["model"]["dropout"] = 0.25
    elif turn == "one pixel":
        data["train"]["image"] = replaced(data["train"]["image"])
    elif turn == "one label of the validation data":
        data["val"]["label"] = replaced(data["val"]["label"])
    elif turn == "the code":
        code.write_text("lr = 0.2", encoding="utf-8")
    with patch.object(*PATCHES[turn]) if turn in PATCHES else nullcontext():
        yield


@check(
    "one-change",
    "One change, and the diff names it",
    given=RUN,
    expect=true(NAMES),
    mistakes=wrong(NAMES),
    depends_on=("card", "diff"),
    hint="diff",
)
def one_change(lab: ModuleType, given: Given) -> Arrays:
    """Whatever single thing is changed, the diff of the cards names it and nothing else."""
    named = {}
    for turn, key in TURNS.items():
        config, data = config_of(given), data_of(given)
        with code_file() as code:
            before = lab.make_card(config, data, code)
            with otherwise(turn, config, data, code):
                named[turn] = [*lab.diff(before, lab.make_card(config, data, code))] == [key]
    return told(named)


@check(
    "best",
    "The best run, found again",
    given={"loss": uniform(3, low=0.5)},
    expect=lambda g: {"the run": int(g.loss.argmin()), "refused": True},
    mistakes={
        "nan counts as the least value": {"the run": 3},
        "minus infinity counts as the least value": {"the run": 4},
        "a run without that value counts": {"the run": 5},
        "without a run that has the value, ValueError is to be raised": {"refused": False},
    },
)
def best(lab: ModuleType, given: Given) -> Arrays:
    """`best` names the run with the least finite value, and leaves out those without one."""
    values = dict(zip("abc", given.loss.tolist(), strict=True))
    without = {"d": {"loss": float("nan"), "other": 0.1}, "e": {"loss": -float("inf")}, "f": {}}
    runs = without | {name: {"other": 0.5, "loss": value} for name, value in values.items()}
    refused = refuses(lambda: lab.best(without, "loss"), ValueError, "loss")
    return told({"the run": "abcdef".find(lab.best(runs, "loss")), "refused": refused})


RERUN = {
    "data": "with one other pixel it should be refused, before any training",
    "code": "with other code it should be refused, before any training",
    "equal bits": "the weights are other ones: is it the card's config that is trained on?",
    "logger": "the values of the run went to no logger",
}


@check(
    "rerun",
    "Made again from its card",
    given={**RUN, "before": integers(0, 2**30)},
    expect=true(RERUN),
    mistakes=wrong(RERUN),
    depends_on=("seed", "loader", "card", "diff"),
)
def rerun(lab: ModuleType, given: Given) -> Arrays:
    """A run made again from its card has equal bits; if something is not as it was, it is told."""
    config, data = config_of(given), data_of(given)
    config["data"]["workers"] = int(given.get("workers", torch.tensor(0)))
    first, second, unused = Kept(), Kept(), Kept()
    with code_file() as code:
        kept = json.dumps(lab.make_card(config, data, code))
        daemons = vars(process.current_process())["_config"]  # they may not start workers
        with patch.dict(daemons, daemon=False):
            weights = lab.train(config, data, first)
            seed_all(int(given.before))
            again = lab.rerun(json.loads(kept), data, code, second)

        def refused(turn: str, key: str) -> bool:
            others = data_of(given)
            with otherwise(turn, config_of(given), others, code):
                other = partial(lab.rerun, json.loads(kept), others, code, unused)
                return refuses(other, lab.CardError, key) and not unused.count

        pixel, other_code = refused("one pixel", "data.train"), refused("the code", "code")
    equal = all(torch.equal(weights[name], again[name]) for name in weights)
    facts = [pixel, other_code, equal, second.count == first.count]
    return told(dict(zip(RERUN, facts, strict=True)))
