"""Artifacts: files beside the weights that a lab hands in, as its lab.yaml lists them.

A lab with artifacts exports `make_artifacts(folder, models)`, which writes them into a folder. It
is called when all arms are trained; `models` holds each arm's model with its chosen weights, in
eval mode, and is empty in a lab without arms.
"""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from torch import nn

EXPORT = "make_artifacts"


class ArtifactError(Exception):
    """What was made is not what lab.yaml lists; the message says how."""


def make_artifacts(
    module: ModuleType, wanted: Mapping[str, int], models: Mapping[str, nn.Module], folder: Path
) -> dict[str, bytes]:
    """The files of these names, each of at most so many bytes, as learner code writes them.

    Raises ArtifactError; what learner code raises is let through.
    """
    if not callable(make := getattr(module, EXPORT, None)):
        raise ArtifactError(f"lab.py does not define {EXPORT}(folder, models)")
    make(folder, dict(models))
    made = {}
    for name, most in wanted.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{EXPORT} wrote no file {name}")
        if path.stat().st_size > most:
            raise ArtifactError(f"{name} has {path.stat().st_size} bytes; the cap is {most}")
        made[name] = path.read_bytes()
    return made
