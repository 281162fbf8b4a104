"""Two tiny labs on the repo's shared configs: one arm, and two arms with keys of their own."""

import shutil
from pathlib import Path

from dllab.lab.find import Lab

LAB_YAML = """\
title: Tiny
summary: A tiny lab.
level: beginner
topics: []
checks: {}
hints: {}
pass_score: 0.7
starter_sha256: ""
"""

TINY = {
    "lab.yaml": LAB_YAML,
    "conf/config.yaml": """\
defaults: [data: small, _self_]
model: {hidden: [64, 32], lr: 1.0e-3, depth: 2, activation: relu, bias: true, schedule: null}
trainer: {max_epochs: 5, monitor: val/accuracy, mode: max}
""",
    "conf/data/small.yaml": "{size: small, batch_size: 64, seed: '${seed}'}\n",
    "conf/data/full.yaml": "{size: full, batch_size: 256, seed: '${seed}'}\n",
}

ARMS = {
    "lab.yaml": LAB_YAML + "arms: {vowels: {}, chars: {overrides: [trainer.max_epochs=4]}}\n",
    "conf/config.yaml": "defaults: [data: small, _self_]\ntrainer: {max_epochs: 7}\n",
    "conf/data/small.yaml": "{size: small, batch_size: 64}\n",
    "conf/data/full.yaml": "{size: full, batch_size: 64}\n",
    "conf/arm/vowels.yaml": "# @package _global_\nmodel: {cell: lstm, width: 32}\n",
    "conf/arm/chars.yaml": "# @package _global_\nmodel: {context: 64}\ndata: {batch_size: 8}\n",
}


def write_lab(root: Path, name: str, files: dict[str, str]) -> Lab:
    """A lab folder in the project `root`."""
    folder = root / "labs" / name
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Lab(root, folder)


def make_root(root: Path, repo: Path) -> Path:
    """A project with the repo's shared groups and no labs."""
    shutil.copytree(repo / "configs", root / "configs")
    (root / "labs").mkdir()
    (root / "pyproject.toml").touch()
    return root
