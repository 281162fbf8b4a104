"""`dllab submit`: one run as submission.zip. The same run gives the same bytes."""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.starter import starter_text
from dllab.rundir.run import RunFolder
from dllab.submission import chain
from dllab.submission.archive import make_zip
from dllab.submission.layout import (
    MANIFEST,
    MAX_PACKED,
    MAX_UNPACKED,
    SCHEMA,
    artifact_file,
    required_files,
)
from dllab.submission.manifest import FileSeal, Manifest


def pack(lab: Lab, run: RunFolder, out: Path) -> Path:
    """Write the submission of a run to `out`, whole or not at all.

    Raises LabError, with the reason, for a reference run, an unfinished or failed one, one whose
    lab.py has changed since, one without all of the lab's artifacts, and one that is too large.
    """
    _require_own_and_finished(lab, run)
    files = _collect(lab, run)
    missing = [name for name in required_files(lab.spec) if name not in files and name != MANIFEST]
    if missing:
        raise LabError(
            f"run {run.id} lacks {', '.join(missing)}",
            f"train every arm, without arm=…: dllab train {lab.number}",
        )
    files[MANIFEST] = _manifest(lab, run, files)
    packed = make_zip(files)
    unpacked = sum(map(len, files.values()))
    if len(packed) > MAX_PACKED or unpacked > MAX_UNPACKED:
        raise LabError(
            f"the submission would be {len(packed) >> 20} MiB packed, {unpacked >> 20} MiB "
            f"unpacked; the caps are {MAX_PACKED >> 20} and {MAX_UNPACKED >> 20}",
            "hand in a smaller model",
        )
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    partial.write_bytes(packed)
    partial.replace(out)
    return out


def _require_own_and_finished(lab: Lab, run: RunFolder) -> None:
    card = run.read_card()
    if card.get("impl") != "mine":
        raise LabError(
            f"run {run.id} ran the reference solution, not your code",
            f"finish {lab.code.name} and train it: dllab train {lab.number} impl=mine",
        )
    if card.get("status") != "finished":
        raise LabError(
            f"run {run.id} is {card.get('status', 'damaged')}, not finished",
            f"dllab train {lab.number} --resume {run.id}, or train anew",
        )
    if changed := _changed(lab, run):
        raise LabError(
            f"{changed} has changed since run {run.id}",
            f"train what you have now (dllab train {lab.number}), or put back {run.code}",
        )


def _changed(lab: Lab, run: RunFolder) -> Path | None:
    """The first of the learner's files that is another now than when the run was made."""
    now = {run.code: lab.code}
    now |= {run.files / name: lab.folder / "files" / name for name in lab.spec.learner_files}
    pairs = ((then.is_file() and then.read_bytes(), path) for then, path in now.items())
    return next((p for then, p in pairs if then != (p.is_file() and p.read_bytes())), None)


def _collect(lab: Lab, run: RunFolder) -> dict[str, bytes]:
    files = {"lab.py": run.code.read_bytes(), "config.yaml": run.config.read_bytes()}
    for arm in run.arms():
        place = f"arms/{arm.name}"
        if arm.weights.is_file():
            files[f"{place}/weights.safetensors"] = arm.weights.read_bytes()
        if arm.curve.is_file():
            linked = chain.link(arm.curve.read_text(encoding="utf-8"), run.id)
            files[f"{place}/curve.jsonl"] = linked.encode()
    for name in lab.spec.learner_files:
        if (run.files / name).is_file():
            files[f"files/{name}"] = (run.files / name).read_bytes()
    for name in lab.spec.artifacts:
        if run.artifact(name).is_file():
            files[artifact_file(name)] = run.artifact(name).read_bytes()
    for name in lab.spec.sheets:
        if (lab.folder / name).is_file():
            files[name] = (lab.folder / name).read_bytes()
    card = run.read_card()
    told = ("versions", "hardware", "threads", "seeds", "data", "started", "finished", "cost")
    files["environment.json"] = _json({key: card[key] for key in told if key in card})
    files["starter.diff"] = _diff(lab, run).encode()
    return files


def _manifest(lab: Lab, run: RunFolder, files: Mapping[str, bytes]) -> bytes:
    result = run.read_result()
    manifest = Manifest(
        schema=SCHEMA,
        lab=lab.id,
        lab_version=lab.spec.version,
        run_id=run.id,
        files={
            name: FileSeal(hashlib.sha256(data).hexdigest(), len(data))
            for name, data in files.items()
        },
        arms=tuple(arm.name for arm in run.arms()),
        claimed={metric.name: metric.value for metric in result.metrics} if result else {},
    )
    return _json(manifest.plain())


def _diff(lab: Lab, run: RunFolder) -> str:
    """What the learner wrote, as a unified diff against the starter."""
    before = starter_text(lab).splitlines(keepends=True)
    after = run.code.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, "starter", "lab.py"))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
