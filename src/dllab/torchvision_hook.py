"""Lets torchvision be imported beside a torch that it was not built for.

The registry's torchvision is built against a CUDA torch. Beside a CPU torch its own library cannot
be loaded, so it dies on import (`operator torchvision::nms does not exist`), taking torchmetrics
and Lightning with it. This has to be in place before anyone, learner code included, imports any of
them: importing dllab does it, and so does each Python of an environment that `make` builds, as it
starts (see `bootstrap`). So nothing heavy may be imported here.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_keep: list[object] = []


def _define_missing_operators(origin: str) -> None:
    """Declare torchvision's operators when its own library cannot be loaded; else do nothing."""
    from pathlib import Path

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


class TorchvisionFinder:
    """Runs once, just before `torchvision` itself is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that others find, once torchvision can bear to be executed."""
        if name != "torchvision":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            _define_missing_operators(spec.origin)
        return spec


def _is_there() -> bool:
    """The class of another copy of this file, which the environment has, is another one."""
    return any(type(one).__name__ == TorchvisionFinder.__name__ for one in sys.meta_path)


if "torchvision" not in sys.modules and not _is_there():
    sys.meta_path.insert(0, TorchvisionFinder())
