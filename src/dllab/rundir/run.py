"""One folder per run: the names of its files are said here and nowhere else."""

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dllab.errors import LabError
from dllab.lab.checked import load_yaml
from dllab.lab.find import Lab, find_lab
from dllab.result import Result, read_result


@dataclass(frozen=True)
class ArmFolder:
    """The files of one training."""

    path: Path

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.path.name

    @property
    def run_id(self) -> str:
        """The id of the run that the arm belongs to."""
        return self.path.parent.parent.name

    @property
    def weights(self) -> Path:
        """State dict of the chosen checkpoint, safetensors."""
        return self.path / "weights.safetensors"

    @property
    def curve(self) -> Path:
        """One JSON object a line: `step`, `epoch`, and every metric logged there."""
        return self.path / "curve.jsonl"

    @property
    def predictions(self) -> Path:
        """`scores` float32 [N, C] and `label` int64 [N] on the validation split, safetensors."""
        return self.path / "predictions.safetensors"

    @property
    def test_predictions(self) -> Path:
        """The same two arrays on the public test split, as the practice grade scored them."""
        return self.path / "test_predictions.safetensors"

    @property
    def profile(self) -> Path:
        """`trace.json` and `top10.txt`, where the run was profiled."""
        return self.path / "profile"

    @property
    def checkpoints(self) -> Path:
        """`best.ckpt` and `last.ckpt`: everything needed to resume."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """Where the training stands: what `--resume` begins with."""
        return self.checkpoints / "last.ckpt"

    def read_curve(self) -> list[dict[str, float]]:
        """The curve's points in the order they were written; a torn last line is left out."""
        if not self.curve.is_file():
            return []
        points = []
        for line in self.curve.read_text(encoding="utf-8").splitlines():
            try:
                points.append(json.loads(line))
            except json.JSONDecodeError:
                break  # the run was killed while it wrote this line
        return points


@dataclass(frozen=True)
class RunFolder:
    """`runs/labNN_slug/<UTC>-<id>/`."""

    path: Path

    @classmethod
    def create(cls, root: Path, lab_id: str) -> "RunFolder":
        """A new folder, named by UTC time and a random id; `DLLAB_RUN` fixes it for all ranks."""
        inherited = os.environ.get("DLLAB_RUN")
        path = root / "runs" / lab_id / (inherited or new_run_id())
        path.mkdir(parents=True, exist_ok=inherited is not None)
        return cls(path)

    @property
    def id(self) -> str:
        """`<UTC>-<id>`; unique in the project."""
        return self.path.name

    @property
    def lab_id(self) -> str:
        """`labNN_slug`."""
        return self.path.parent.name

    @property
    def lab_number(self) -> str:
        """`NN`, as commands take it."""
        return self.lab_id[3:5]

    @property
    def config(self) -> Path:
        """What ran: `overrides`, and per arm the resolved config; plain YAML."""
        return self.path / "config.yaml"

    @property
    def card(self) -> Path:
        """The run card: lab, versions, git, data, seeds, hardware, cost, status."""
        return self.path / "run.json"

    @property
    def code(self) -> Path:
        """The file that ran, byte for byte."""
        return self.path / "lab.py"

    @property
    def result(self) -> Path:
        """The grade, dllab.result/1."""
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        """The same for people."""
        return self.path / "report.html"

    @property
    def dream(self) -> Path:
        """What the trained model has shown of itself."""
        return self.path / "dream.json"

    @property
    def artifacts(self) -> Path:
        """The folder of what the lab hands in beside its weights."""
        return self.path / "artifacts"

    def artifact(self, name: str) -> Path:
        """One of them, as lab.yaml names it."""
        return self.artifacts / name

    @property
    def files(self) -> Path:
        """The folder of what a learner hands in beside lab.py, where the lab allows some."""
        return self.path / "files"

    def take_files(self, lab: Lab) -> None:
        """Copy those files, as they are now."""
        for name, path in learner_files(lab).items():
            self.files.mkdir(exist_ok=True)
            shutil.copyfile(path, self.files / name)

    def take_sheets(self, lab: Lab) -> None:
        """Copy the sheets that the learner has filled in beside lab.py, as they are now."""
        for name in lab.spec.sheets:
            if (lab.folder / name).is_file():
                shutil.copyfile(lab.folder / name, self.path / name)

    @property
    def tried(self) -> tuple[str, ...]:
        """What makes this run an experiment; empty for a full one. See `changes`."""
        return changes(self.read_config().get("overrides") or ())

    def arm(self, name: str) -> ArmFolder:
        """The folder of one arm, whether or not it exists yet."""
        return ArmFolder(self.path / "arms" / name)

    def arms(self) -> list[ArmFolder]:
        """The arms that were trained, in the order in which config.yaml lists them."""
        return [self.arm(name) for name in self.read_config().get("arms", {})]

    def read_card(self) -> dict[str, Any]:
        """The run card; empty when the run was killed before it wrote one."""
        return read_json(self.card) if self.card.is_file() else {}

    def read_result(self) -> Result | None:
        """The grade, or None while there is none."""
        return read_result(self.result) if self.result.is_file() else None

    def read_config(self) -> dict[str, Any]:
        """config.yaml as plain data."""
        if not self.config.is_file():
            return {}
        return dict(load_yaml(self.config) or {})


def learner_files(lab: Lab) -> dict[str, Path]:
    """The files beside lab.py that the lab lets a learner hand in, as far as they are there."""
    found = {name: lab.folder / "files" / name for name in lab.spec.learner_files}
    return {name: path for name, path in found.items() if path.is_file()}


# Overrides that change where and how a run goes on, and nothing of its recipe: keys, and what is
# below them.
_CIRCUMSTANCES = (
    "impl.",
    "seed.",
    "hardware.",
    "logger.",
    "wandb.",
    "trainer.threads.",
    "trainer.profile.",
)


def changes(overrides: Iterable[str]) -> tuple[str, ...]:
    """Those of a run's overrides that make it an experiment: other arms, another recipe."""
    keys = ((str(text), str(text).partition("=")[0].lstrip("+~")) for text in overrides)
    return tuple(text for text, key in keys if not f"{key}.".startswith(_CIRCUMSTANCES))


def new_run_id() -> str:
    """`<UTC>-<id>`: sorts by time, and is unique.

    The id is six digits: which 4,096th of the second it is, and three at random.
    """
    now = datetime.now(UTC)
    fraction = now.microsecond * 4096 // 10**6
    return f"{now:%Y%m%dT%H%M%SZ}-{fraction:03x}{secrets.randbelow(4096):03x}"


def all_runs(root: Path, lab_id: str = "*") -> list[RunFolder]:
    """Every run folder, oldest first (names begin with the UTC time)."""
    folders = (root / "runs").glob(f"{lab_id}/*/config.yaml")
    return [RunFolder(f.parent) for f in sorted(folders, key=lambda f: f.parent.name)]


def find_run(root: Path, name: str) -> RunFolder:
    """RUN on a command line: a path, an id (or its beginning or end), or a lab's newest run."""
    if run := named_run(root, name):
        return run
    try:
        lab = find_lab(root, name)
    except LabError:
        if name.isdecimal() and len(name) < 3:
            raise
        raise LabError(
            f"neither a run nor a lab is called {name!r}",
            "dllab runs lists the runs, dllab list the labs",
        ) from None
    of_lab = all_runs(root, lab.id)
    if not of_lab:
        raise LabError(f"lab {lab.number} has no run yet", f"make one: dllab train {lab.number}")
    return of_lab[-1]


def named_run(root: Path, name: str) -> RunFolder | None:
    """The run that a path, an id, or the beginning or end of one names, if any does."""
    path = Path(name).expanduser()
    if (path / "config.yaml").is_file():
        return RunFolder(path.resolve())
    runs = all_runs(root)
    found = [run for run in runs if run.id == name]
    found = found or [run for run in runs if run.id.startswith(name) or run.id.endswith(name)]
    if len(name) > 2 and len(found) == 1:
        return found[0]
    if len(name) > 2 and found:
        raise LabError(
            f"{name} fits {len(found)} runs", "write more of the id; `dllab runs` lists them"
        )
    return None


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all: a reader never sees half a file under its final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # pids of two machines collide
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LabError(
            f"cannot write {path}: {error.strerror}", "free some disk space and run again"
        ) from error


def write_json(path: Path, value: object) -> None:
    """JSON with sorted keys, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; a LabError names the file when it is damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise LabError(
            f"{path} cannot be read: {error}", "the run is damaged; train again"
        ) from None
