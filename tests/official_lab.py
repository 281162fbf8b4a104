"""Where the attacks are played: a small lab with a hidden check and a hidden set, and archives."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from grading_lab import CHECKS, LAB_YAML, make_desk
from safetensors.torch import save, save_file

from dllab.lab.find import Lab, find_lab
from dllab.result import MetricRow, Result, Submission
from dllab.rundir.run import RunFolder, read_json, write_json
from dllab.submission.pack import pack

HERE = Path(__file__).parent / "redteam"
HONEST = (HERE / "honest.py").read_text()
CHEATER = (HERE / "cheater.py").read_text()
WEIGHTS = {"scale": torch.tensor(3.0)}
CURVE = "".join(
    json.dumps({"step": step, "epoch": 0, "train/loss": 2.5 / (1 + step)}) + "\n"
    for step in range(10)
)
TOY = """
title: Short series
kind: series
licence: none
columns:
  series: {dtype: float32, shape: [6, 1], lengths: lengths}
  lengths: {dtype: int64}
  label: {dtype: int64, role: target, classes: [below, above]}
division: {sizes: {train: 1, val: 1, test: 1, reserved: 1}}
sources: []
"""
FAR_PROBE = """
def far_probe(lab, given):
    return {"y": lab.double(given["x"])}
"""
FAR_CHECK = '''
"""CANARY: no sandbox may see this file."""
import torch
from dllab.checks import check, close
from labs.lab90_tiny._author.probes import far_probe


def far_numbers(rng):
    return {"x": torch.randn(3, generator=rng) * 1e12}


@check("far", "Large numbers", given=far_numbers, probe=far_probe, returns={"y": "float32 [3]"})
def far(given, got):
    """`double` works far from zero as well."""
    return close(got["y"], 2 * given["x"])
'''
# 16 processes, each with as many full sockets as it may open: none of them holds a page.
FULL_SOCKETS = """
import os
import socket
import time


def fill():
    held = []
    while True:
        try:
            held += socket.socketpair()
        except OSError:
            break
        for one in held[-2:]:
            one.setblocking(False)
            try:
                while True:
                    one.send(b"x" * 65536)
            except OSError:
                pass
    time.sleep(60)


def double(x):
    for _ in range(16):
        os.fork() or fill()
    time.sleep(20)
    return 2 * x
"""

Files = dict[str, bytes]


@dataclass
class Stage:
    """A project with the tiny lab, its hidden set, and a folder for archives."""

    root: Path
    fills: dict[str, str] = field(default_factory=dict)

    @property
    def lab(self) -> Lab:
        return find_lab(self.root, "90")

    @property
    def hidden(self) -> Path:
        return self.root.parent / "hidden"

    def code(self, attack: str) -> str:
        """A cheater's file with one of the attacks, which knows all places that it asks for."""
        text = CHEATER + "\n\n" + (HERE / "attacks" / f"{attack}.py").read_text()
        for name, value in {"ROOT": self.root, "HIDDEN": self.hidden, **self.fills}.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def submit(
        self,
        name: str,
        code: str = HONEST,
        weights: Mapping[str, torch.Tensor] = WEIGHTS,
        model: Mapping[str, object] | None = None,
        curve: str = CURVE,
    ) -> Path:
        """A finished run, packed as `dllab submit` does it."""
        (self.lab.folder / "lab.py").write_text(code)
        run = RunFolder.create(self.root, self.lab.id)
        run.code.write_text(code)
        arms = {"main": {"model": {"scale": 2.0} if model is None else dict(model)}}
        run.config.write_text(yaml.safe_dump({"lab": self.lab.id, "impl": "mine", "arms": arms}))
        run.arm("main").path.mkdir(parents=True)
        save_file(dict(weights), run.arm("main").weights)
        run.arm("main").curve.write_text(curve)
        write_json(run.card, {"impl": "mine", "status": "finished"})
        claim = MetricRow("accuracy", 0.99)
        grade = Result(submission=Submission(self.lab.id), verdict="graded", metrics=(claim,))
        write_json(run.result, grade.plain())
        (self.root / "archives").mkdir(exist_ok=True)
        return pack(self.lab, run, self.root / "archives" / f"{name}.zip")

    def rebuild(self, archive: Path, change: Callable[[Files], None]) -> Path:
        """The archive with other contents, all of them declared with the right hashes."""
        files = unzipped(archive)
        change(files)
        archive.write_bytes(zipped(declared(files)))
        return archive


def make_stage(folder: Path) -> Stage:
    """The lab of grading_lab, with a hidden check and a hidden set of 400 items."""
    root = folder / "project"
    root.mkdir()
    make_desk(root)
    lab = root / "labs" / "lab90_tiny"
    spec = yaml.safe_load(LAB_YAML)
    spec["checks"]["far"], spec["hidden"] = 5, ["far"]
    spec["criteria"]["accuracy"]["floor"] = 0.62
    spec["budgets"] = {"probe_s": 6, "memory_mb": 3000, "artifact_bytes": 1_000_000}
    (lab / "lab.yaml").write_text(yaml.safe_dump(spec))
    (lab / "starter.py").write_text("# TODO double\n")
    (lab / "_author").mkdir()
    (lab / "_author" / "probes.py").write_text(FAR_PROBE)
    (lab / "_author" / "checks.py").write_text(FAR_CHECK)
    (lab / "_author" / "solution.py").write_text(HONEST)
    assert "double_probe" in CHECKS
    (root / "data" / "toy").mkdir(parents=True)
    (root / "data" / "toy" / "train.parquet").write_bytes(b"PAR1")
    (root / "data" / "toy" / "dataset.yaml").write_text(TOY)
    write_hidden(folder / "hidden", draw(seed=7))
    return Stage(root)


def draw(seed: int, size: int = 400) -> dict[str, torch.Tensor]:
    """Short series whose label is the sign of their sum."""
    rng = torch.Generator().manual_seed(seed)
    series = torch.randn(size, 6, 1, generator=rng)
    lengths = torch.randint(1, 7, (size,), generator=rng)
    series[torch.arange(6) >= lengths[:, None]] = 0
    return {"series": series, "lengths": lengths, "label": (series.sum((1, 2)) > 0).long()}


def write_hidden(
    folder: Path, items: dict[str, torch.Tensor], lab: str = "lab90_tiny", name: str = "toy"
) -> None:
    """A hidden folder with items of one's own, as `dllab hidden build` lays it down; or one more
    set in a folder that is there.
    """
    place = folder / name
    place.mkdir(parents=True)
    label = items.pop("label")
    parts = {"inputs": save(items), "labels": save({"label": label})}
    for part, data in parts.items():
        (place / f"{part}.safetensors").write_bytes(data)
    digests = {f"{part}_sha256": hashlib.sha256(data).hexdigest() for part, data in parts.items()}
    listed = folder / "hidden.json"
    sets = read_json(listed)["sets"] if listed.is_file() else {}
    about = {"schema": "dllab.hidden/1", "lab": lab, "lab_version": "1"}
    write_json(listed, {**about, "sets": {**sets, name: {"size": len(label), **digests}}})


def declared(files: Files) -> Files:
    """The files with a manifest that declares them as they are."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
        if name != "manifest.json"
    }
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def unzipped(archive: Path) -> Files:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()
