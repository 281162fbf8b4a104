"""Overrides as a person types them, `model.lr=0.01`: read, or refused with the reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from dllab.errors import LabError

_KEY = re.compile(r"(\+\+?|~)?\w[\w-]*([./]\w[\w-]*)*(@[\w.:]*)?", re.ASCII)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Override:
    """One `key=value`. `origin` names the file it stands in, "" for the command line."""

    text: str
    key: str
    value: Any
    action: Literal["set", "add", "delete"]
    origin: str = ""

    def error(self, reason: str, hint: str = "") -> LabError:
        """A LabError that quotes this override and says where it stands."""
        place = f"{self.origin}: " if self.origin else ""
        return LabError(f"{place}{self.text}: {reason}", hint)


def parse(texts: Iterable[str], origin: str = "") -> list[Override]:
    """The overrides of one run; a malformed one, a sweep or a setting of Hydra is a LabError."""
    return [_single(parse_raw(text, origin), text, origin) for text in texts]


def parse_raw(text: str, origin: str = "") -> HydraOverride:
    """Hydra's own reading of one override, which may be a sweep; a LabError when malformed."""
    place = f"{origin}: " if origin else ""
    key, equals, value = text.partition("=")
    deletes = text.startswith("~")
    if not equals and not deletes:
        raise LabError(
            f"{place}{text!r} is not of the form key=value", "for example trainer.max_epochs=3"
        )
    if not key.strip("+~ "):
        raise LabError(f"{place}{text!r} has no key before the =", "write KEY=VALUE")
    if not value.strip() and not deletes:
        raise LabError(f"{place}{text!r} has no value after the =", f"write {key}=VALUE")
    if not _KEY.fullmatch(key):
        raise LabError(
            f"{place}{text!r}: {key!r} is not a key",
            "keys are words joined by dots; a list is set whole: 'model.hidden=[64, 32]'",
        )
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise LabError(
            f"{place}{text!r} cannot be read: {_why(text, error)}",
            "in a shell, put quotes around it: 'model.hidden=[64, 32]'",
        ) from None


def quoted(text: object) -> str:
    """A value in quotes, so that Hydra takes every character of it (a path's, say) as it is."""
    escaped = str(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _single(raw: HydraOverride, text: str, origin: str) -> Override:
    key = raw.get_key_element().lstrip("+~")
    action: Literal["set", "add", "delete"] = "set"
    if raw.is_delete():
        action = "delete"
    elif raw.is_add() or raw.is_force_add():
        action = "add"
    override = Override(text, key, None, action, origin)
    if raw.is_sweep_override():
        raise override.error(
            "several values for one run", "add -m to train once for each: dllab train NN … -m"
        )
    if raw.is_hydra_override():
        raise override.error("Hydra's own settings steer sweeps only", "add -m, or leave it out")
    if raw.package is not None:
        raise override.error("the package after @ is fixed here", f"write {key.split('@')[0]}=…")
    return Override(text, key, raw.value(), action, origin)


def _why(text: str, error: HydraException) -> str:
    expected: list[str] = []
    for character in text:
        if character in _CLOSING:
            expected.append(_CLOSING[character])
        elif character in _CLOSING.values() and (not expected or expected.pop() != character):
            return f"the {character} closes nothing"
    if expected:
        return f"a {expected[-1]} is missing"
    if text.count("'") % 2 or text.count('"') % 2:
        return "a quotation mark is missing"
    return str(error).partition("\n")[0].rstrip(".")
