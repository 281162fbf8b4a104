"""What the author of a lab wrote for the grader: checks.py, and its hidden half."""

import importlib
from types import ModuleType
from typing import Protocol, TypeVar

from dllab.errors import InfraError
from dllab.lab.code import import_room
from dllab.lab.find import Lab

VISIBLE, HIDDEN = "checks", "_author.checks"


class Named(Protocol):
    """A metric, a play, a timing: what a criterion names."""

    @property
    def name(self) -> str:
        """As lab.yaml names it."""
        ...


T = TypeVar("T", bound=Named)


def authored(lab: Lab, *, hidden: bool) -> list[ModuleType]:
    """checks.py, and with `hidden` what stays with the scorer: `_author/checks.py`.

    Raises InfraError when one cannot be imported.
    """
    import_room(lab)
    return [_import(lab, name) for name in (VISIBLE, HIDDEN)[: 1 + hidden]]


def find_named(lab: Lab, criterion: str, name: str, kind: type[T]) -> T:
    """What a criterion names, among what the lab's author wrote of this kind.

    Raises InfraError for a name that nobody has written.
    """
    modules = authored(lab, hidden=criterion in lab.spec.hidden)
    known = [one for module in modules for one in vars(module).values() if isinstance(one, kind)]
    found = next((one for one in known if one.name == name), None)
    if found is None:
        names = ", ".join(dict.fromkeys(one.name for one in known)) or "none"
        raise InfraError(
            f"criterion {criterion}: there is no {kind.__name__.lower()} {name!r}",
            f"those that the lab has: {names}",
        )
    return found


def _import(lab: Lab, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{lab.package}.{name}")
    except Exception as error:
        raise InfraError(
            f"the checks of {lab.id} cannot be imported: {type(error).__name__}: {error}",
            "this is the lab's fault, not yours: take the lab's folder anew",
        ) from error
