"""Hidden sets: drawn from reserved rows only, balanced over the classes, in a secret order, and
perturbed: the rows are public, so that a table of them in lab.py would hold each answer.

A folder holds `hidden.json` and for each data set `SET/inputs.safetensors` and, apart from them,
`SET/labels.safetensors`, which the scorer opens when all learner code is dead.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dllab import data
from dllab.data import DataSet
from dllab.data.kinds import kind_of
from dllab.errors import LabError
from dllab.grading.items import Arrays
from dllab.grading.leakage import Leakage, find_leakage
from dllab.lab.find import Lab
from dllab.lab.layout import Layout
from dllab.lab.project import enter
from dllab.lab.scoring import scored_sets
from dllab.result import EvaluatedOn
from dllab.rundir.run import write_json

SCHEMA: Final = "dllab.hidden/1"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class HiddenFiles:
    """The two files of a data set, which are read apart."""

    inputs_sha256: str
    labels_sha256: str
    size: int = 0
    """Items."""
    perturbed: bool = False
    """Whether the inputs differ from those of the data set, as its kind perturbs them."""

    def sha256(self, part: Literal["inputs", "labels"]) -> str:
        """The hash of one of them."""
        return self.inputs_sha256 if part == "inputs" else self.labels_sha256


@dataclass(frozen=True)
class HiddenIndex:
    """hidden.json: the lab that is scored, and the hash of every file by data set."""

    schema: Literal["dllab.hidden/1"]
    lab: str
    sets: Mapping[str, HiddenFiles]
    lab_version: str = "1"


class HiddenSet:
    """A hidden folder as the source of scored items."""

    kind: EvaluatedOn = "hidden"

    def __init__(self, folder: Path, lab: Lab) -> None:
        """Raise LabError when the folder is not a hidden set, or one of another lab."""
        self._folder, self._root = folder, lab.root
        self.about = about(folder)
        if self.about.lab != lab.id:
            raise LabError(
                f"{folder} is a hidden set of {self.about.lab}, not of {lab.id}",
                "give the folder that was built for this lab",
            )

    def inputs(self, name: str) -> Arrays:
        """What `predict` gets; the file is checked against hidden.json first."""
        return self._read(name, "inputs")

    def layout(self, name: str) -> Layout:
        """As the set declares it."""
        return Layout.of(name, self._root)

    def labels(self, name: str) -> Arrays:
        """Targets and groups."""
        return self._read(name, "labels")

    def _read(self, name: str, part: Literal["inputs", "labels"]) -> Arrays:
        path = self._folder / name / f"{part}.safetensors"
        said = self.about.sets.get(name)
        if not path.is_file() or said is None or said.sha256(part) != _sha256(path):
            raise LabError(
                f"{path} is missing or not the file that was built", "build the set anew"
            )
        return load_file(path)


def about(folder: Path) -> HiddenIndex:
    """The hidden.json of a hidden folder; LabError when the folder is not a hidden set."""
    path = folder / "hidden.json"
    try:
        return TypeAdapter(HiddenIndex).validate_json(path.read_bytes())
    except FileNotFoundError:
        fault = "it has no hidden.json"
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        fault = f"its hidden.json is not of {SCHEMA} ({key}: {first['msg']})"
    raise LabError(
        f"{folder} is not a hidden set: {fault}",
        f"make one: dllab hidden build NN --size 1000 --seed 1 --out {folder}",
    )


def build_hidden(
    lab: Lab, size: int, seed: int, out: Path, *, exact: bool = False
) -> dict[str, Leakage]:
    """Draw `size` items of each data set that the lab is scored on, and write the folder `out`.

    They are perturbed, unless they are to be `exact`; the same seed draws the same items. Returns
    what was found of each set in the released data; exact copies are never drawn.

    Raises LabError when `out` exists, when the lab is scored on no data, or when fewer than `size`
    reserved items are left.
    """
    enter(lab.root)
    names = scored_sets(lab)
    if not names:
        raise LabError(f"{lab.id} is scored on no data", "it needs no hidden set")
    if size < 1:
        raise LabError(f"--size {size} is not a number of items", "give at least 1")
    if out.exists():
        raise LabError(f"{out} is there already", "hidden sets are never overwritten: name another")
    rng = torch.Generator()
    rng.manual_seed(seed)
    drawn = {name: _draw(name, size, rng) for name in names}
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    sets = {
        name: _write(partial, name, items, items if exact else perturbed(name, items, rng))
        for name, (items, _) in drawn.items()
    }
    index = HiddenIndex(SCHEMA, lab.id, sets, lab.spec.version)
    write_json(partial / "hidden.json", asdict(index))
    partial.chmod(0o700)
    partial.rename(out)
    return {name: leakage for name, (_, leakage) in drawn.items()}


def perturbed(name: str, items: Arrays, rng: torch.Generator) -> Arrays:
    """The items as the kind of their set perturbs them."""
    dataset = data.find(name)
    return kind_of(dataset).perturb(dataset, dict(items), rng)


def _draw(name: str, size: int, generator: torch.Generator) -> tuple[Arrays, Leakage]:
    dataset, pool = data.find(name), data.reserved(name)
    if kind_of(dataset).cuts:
        return _draw_cuts(dataset, pool, size, generator)
    leakage = find_leakage(dataset, pool, *(data.load(name, split) for split in SPLITS))
    free = leakage.free
    if size > len(free):
        raise LabError(
            f"{name} has {len(free)} reserved items that are not in the released data; "
            f"--size {size} asks for more",
            f"ask for at most {len(free)}",
        )
    chosen = free[_balanced(_classes(dataset, pool)[free], size, generator)]
    return {key: v if key in dataset.shared else v[chosen] for key, v in pool.items()}, leakage


def _draw_cuts(
    dataset: DataSet, stream: Arrays, size: int, generator: torch.Generator
) -> tuple[Arrays, Leakage]:
    """Windows of the reserved text that lie apart: as many as the kind wants at least, if it has
    them. What one has to tell must not stand in another.
    """
    kind = kind_of(dataset)
    if size > (most := kind.fits(dataset, stream)):
        raise LabError(
            f"{dataset.name} has reserved text for {most} windows that lie apart; --size {size} "
            "asks for more",
            f"ask for at most {most}",
        )
    seed = int(torch.randint(2**31, (1,), generator=generator))
    count = min(max(size, kind.cuts), most)
    items = kind.cut(dataset, stream, count, seed, apart=True)
    splits = [data.load(dataset.name, split) for split in SPLITS]
    released = {key: torch.cat([split[key] for split in splits]) for key in stream}
    return items, find_leakage(dataset, items, kind.cut(dataset, released, 4 * count, seed))


def _classes(dataset: DataSet, items: Arrays) -> Tensor:
    """What draws are balanced over: the label where it is a class, else nothing. int64 `[N]`."""
    count = len(items[dataset.inputs[0]])
    labels = (name for name in dataset.about.named("target") if dataset.columns[name].classes)
    label = next((items[name] for name in labels if items[name].dim() == 1), None)
    return torch.zeros(count, dtype=torch.int64) if label is None else label


def _balanced(label: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Indices of `size` items, as even over the classes as the labels allow, in random order."""
    order = torch.randperm(len(label), generator=generator)
    rank = torch.empty_like(order)  # an item's place among those of its class, in that order
    for value in torch.unique(label):
        of_class = order[label[order] == value]
        rank[of_class] = torch.arange(len(of_class))
    by_rank = order[rank[order].argsort(stable=True)][:size]
    return by_rank[torch.randperm(size, generator=generator)]


def _write(place: Path, name: str, drawn: Arrays, items: Arrays) -> HiddenFiles:
    folder, layout = place / name, Layout.of(name)
    folder.mkdir(parents=True)
    inputs, labels = folder / "inputs.safetensors", folder / "labels.safetensors"
    for path, arrays in ((inputs, layout.inputs(items)), (labels, layout.secrets(items))):
        save_file({key: value.contiguous() for key, value in arrays.items()}, path)
    changed = any(not torch.equal(items[key], drawn[key]) for key in items)
    return HiddenFiles(_sha256(inputs), _sha256(labels), layout.count(items), changed)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
