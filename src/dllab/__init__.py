"""dllab: a deep-learning checklist as graded labs.

Importing dllab costs nothing but one import hook: the registry's torchvision is built against a
CUDA torch, and beside a CPU torch it dies on import (`operator torchvision::nms does not exist`),
taking torchmetrics and Lightning with it. The hook lives here because it has to be in place
before anyone, learner code included, imports any of them.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from dllab.version import __version__

__all__ = ["__version__"]


def _define_missing_operators(origin: str) -> None:
    """Declare torchvision's operators when its own library cannot be loaded; else do nothing."""
    import torch

    library = next(Path(origin).parent.glob("_C*.so"), None)
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        definitions = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            definitions.define(schema)  # type: ignore[no-untyped-call]
        _keep.append(definitions)  # the operators vanish with the object that defined them


_keep: list[object] = []


class _TorchvisionFinder(importlib.abc.MetaPathFinder):
    """Runs once, just before `torchvision` itself is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            _define_missing_operators(spec.origin)
        return spec


if "torchvision" not in sys.modules:
    sys.meta_path.insert(0, _TorchvisionFinder())
