"""The reference solution of a lab and its numbers, for sides that do without dllab's training."""

from collections.abc import Sequence
from types import ModuleType

from dllab.config.compose import compose
from dllab.config.schema import Config
from dllab.lab.code import import_lab
from dllab.lab.find import find_lab
from dllab.lab.project import find_root


def reference(
    number: str, arm: str = "main", overrides: Sequence[str] = ()
) -> tuple[ModuleType, Config]:
    """The solution's module, and the config of one arm."""
    lab = find_lab(find_root(), number)
    return import_lab(lab, lab.solution), compose(lab, [f"arm={arm}", *overrides])[arm]
