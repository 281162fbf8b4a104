"""Honest work in many forms, graded: a lab's reference as learners write, save and type it.

    python -m bench.honest.variants 01 05 07 --count 200 --wall zygote landlock
    python -m bench.honest.variants             # only show the record

What a variant computes is what the reference computes, and its weights are those of one training:
so each has all points, whatever encoding, layout, imports or habits it comes with. Each is handed
in and graded officially on hidden items; the same seeds make the same variants. The labs take
turns. What the record holds of a lab as it is now is not graded again.
"""

import argparse
import hashlib
import json
import os
import random
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save

from bench.honest.__main__ import Run, build_hidden, read
from bench.honest.habits import ENCODINGS, HABITS, LAYOUTS, REWRITES, WAYS, below_the_docstring
from bench.honest.sheets import fill_sheets
from dllab.authoring.content import recipe_of
from dllab.authoring.trial import make_project, run_dllab
from dllab.grading.official import Terms, grade_archive
from dllab.lab.find import Lab, find_lab
from dllab.lab.project import find_root
from dllab.result import Result
from dllab.sandbox.backends import BACKENDS, Backend, open_backend

RECORD = Path(__file__).with_name("variants.jsonl")
DTYPES = ("float32", "float32", "float64", "bfloat16", "float16")


@dataclass(frozen=True)
class Variant:
    """`code` are the bytes of lab.py, `weights` the dtype of the file of weights."""

    changes: tuple[str, ...]
    code: bytes
    weights: str

    def cast(self, blob: bytes) -> bytes:
        """A file of weights in this variant's dtype; numbers that are not floats stay."""
        dtype: torch.dtype = getattr(torch, self.weights)
        loaded = load(blob)
        return save({n: v.to(dtype) if v.is_floating_point() else v for n, v in loaded.items()})


def variant(source: str, seed: int) -> Variant:
    """One layout, one encoding, one to four habits, and at most one other way to predict."""
    rng = random.Random(seed)
    habits = rng.sample(sorted(HABITS), rng.randint(1, 4))
    rewrites = rng.sample(sorted(REWRITES), rng.randint(0, 2))
    ways = rng.sample(sorted(WAYS), 1) if "def predict" in source and rng.random() < 0.5 else []
    layout, encoding = rng.choice(sorted(LAYOUTS)), rng.choice(sorted(ENCODINGS))
    weights = rng.choice(DTYPES)
    for name in rewrites:
        source = REWRITES[name](source)
    for name in ways:
        source = WAYS[name](source)
    for name in habits:
        source = below_the_docstring(source, HABITS[name])
    code = ENCODINGS[encoding](LAYOUTS[layout](source))
    return Variant((*habits, *rewrites, *ways, layout, encoding, weights), code, weights)


def handed_in(archive: Path, other: Variant, out: Path) -> Path:
    """The archive with the variant's code and weights, which its manifest declares."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    files["lab.py"] = other.code
    for name in [name for name in files if name.endswith("weights.safetensors")]:
        files[name] = other.cast(files[name])
    manifest = json.loads(files.pop("manifest.json"))
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            made.writestr(name, data)
    return out


def wrongs(result: Result) -> list[str]:
    """What honest work has lost; nothing where it has all points."""
    lost = [f"{row.id}: {row.message}" for row in result.checks if row.status != "pass"]
    return lost if result.verdict == "graded" else [f"{result.verdict}: {result.reason}", *lost]


@dataclass(frozen=True)
class Desk:
    """One lab's project, with the submission of its reference and a hidden set."""

    lab: Lab
    archive: Path
    hidden: Path | None

    def grade(self, one: Variant | None, wall: Backend) -> list[str]:
        """What a variant loses behind a wall; None: the reference as it is."""
        with tempfile.TemporaryDirectory() as folder:
            archive = handed_in(self.archive, one, Path(folder) / "a.zip") if one else self.archive
            terms = Terms(self.lab.root, wall, hidden=self.hidden)
            return wrongs(grade_archive(archive, terms))


def prepare(lab: Lab, folder: Path) -> Desk:
    """The reference handed in, and a hidden set."""
    here, archive = train_and_hand_in(lab, folder)
    return Desk(here, archive, build_hidden(lab, folder / f"hidden-{lab.number}"))


def train_and_hand_in(lab: Lab, folder: Path) -> tuple[Lab, Path]:
    """Train the reference once, as learner's work, its sheets filled in; the lab in a project of
    its own, the archive.
    """
    root = folder / lab.number
    root.mkdir()
    make_project(root, lab)
    here = find_lab(root, lab.number)
    here.code.write_bytes(lab.solution.read_bytes())
    fill_sheets(here, seed=0, folder=here.folder)
    for words in (("train", lab.number, "impl=mine"), ("submit", lab.number, "-o", "a.zip")):
        done = run_dllab(root, *words)
        if done.returncode:
            raise SystemExit(f"dllab {' '.join(words)}: {done.stdout}{done.stderr}"[-4000:])
    return here, root / "a.zip"


def grade_all(desks: list[Desk], seeds: range, wall: Backend, record: Path) -> None:
    """Grade each variant that the record lacks behind this wall, and keep what it loses there."""
    held = {(one["lab"], one["recipe"], one["wall"], one["seed"]) for one in read(record)}
    recipes = {desk.lab.id: recipe_of(desk.lab) for desk in desks}
    for seed in seeds:
        desk = desks[seed % len(desks)]
        key = (desk.lab.id, recipes[desk.lab.id], wall.name, seed)
        if key in held:
            continue
        one = variant(desk.lab.solution.read_text(encoding="utf-8"), seed)
        line = dict(zip(("lab", "recipe", "wall", "seed"), key, strict=True))
        kept = {**line, "changes": one.changes, "lost": desk.grade(one, wall)}
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
        print(json.dumps(kept, ensure_ascii=False), flush=True)


def table(graded: list[Run]) -> str:
    """By wall and lab, how many variants were graded and which seeds lost points; then the kinds
    of changes, and in how many variants each was.
    """
    walls = sorted({one["wall"] for one in graded})
    rows = ["| lab | " + " | ".join(walls) + " |", "|---" * (1 + len(walls)) + "|"]
    for lab in [*sorted({one["lab"] for one in graded}), "all"]:
        ours = [one for one in graded if lab in (one["lab"], "all")]
        cells = [_cell([one for one in ours if one["wall"] == wall]) for wall in walls]
        rows.append(f"| {lab} | {' | '.join(cells)} |")
    changes = Counter(change for one in graded for change in one["changes"])
    return "\n".join([*rows, "", ", ".join(f"{name} {n}" for name, n in sorted(changes.items()))])


def _cell(graded: list[Run]) -> str:
    lost = [one["seed"] for one in graded if one["lost"]]
    return f"{len(graded)}, {len(lost)} lost points" + (f": seeds {lost}" if lost else "")


def main() -> None:
    """Grade what the record lacks, a line each; then show the record."""
    parser = argparse.ArgumentParser(prog="python -m bench.honest.variants")
    parser.add_argument("labs", nargs="*", metavar="NN")
    parser.add_argument("--count", type=int, default=200, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    walls = [name for name in BACKENDS if name != "none"]
    parser.add_argument("--wall", nargs="+", default=walls[:1], choices=walls)
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FILE")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.count)
    with tempfile.TemporaryDirectory(prefix="dllab-variants-") as folder:
        os.environ["DLLAB_GRADER_KEY"] = str(Path(folder) / "grader.pem")
        desks = [prepare(find_lab(find_root(), one), Path(folder).resolve()) for one in args.labs]
        for name in args.wall if desks else ():
            with open_backend(name) as wall:
                for desk in desks:
                    if lost := desk.grade(None, wall):
                        raise SystemExit(f"the reference of {desk.lab.id} itself loses: {lost}")
                grade_all(desks, seeds, wall, args.record)
    print(table(read(args.record)))


if __name__ == "__main__":
    main()
