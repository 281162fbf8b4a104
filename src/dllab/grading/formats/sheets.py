"""Answer sheets: forecast.yaml and claims.yaml, a learner's data, read as a stranger's.

Size, nesting, aliases and tags are looked at before anything is built; what is then found wrong is
told in the learner's words. Nothing in a sheet is ever run.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from dllab.errors import Ungradable, legible
from dllab.submission.plain import read_plain_yaml

MAX_SHEET = 64 << 10
MAX_ENTRIES = 256

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Text = Annotated[str, StringConstraints(max_length=400)]
NumberPair = tuple[FiniteFloat, FiniteFloat]
ClaimVerdict = Literal["better", "worse", "undecided"]
S = TypeVar("S", bound=BaseModel)


class SheetError(Exception):
    """A sheet that is not there or cannot be judged: what, where, and what to do."""


class AbsentError(SheetError):
    """There is no sheet at all."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ForecastSheet(_Strict):
    """forecast.yaml. An entry without a value is not answered yet."""

    draw: Id
    answers: dict[Text, int | FiniteFloat | None] = Field({}, max_length=MAX_ENTRIES)
    intervals: dict[Text, NumberPair | None] = Field({}, max_length=MAX_ENTRIES)


class Claim(_Strict):
    """One claim: the second arm against the first."""

    arms: tuple[Text, Text]
    seeds: tuple[int, ...] | None = Field(None, max_length=MAX_ENTRIES)
    difference: FiniteFloat | None = None
    interval: NumberPair | None = None
    verdict: ClaimVerdict | None = None


class ClaimsSheet(_Strict):
    """claims.yaml: claims by the name that lab.yaml gives them."""

    draw: Id
    claims: dict[Text, Claim] = Field({}, max_length=MAX_ENTRIES)


def read_sheet(path: Path, model: type[S]) -> S:
    """The sheet at `path`. Raises AbsentError, or SheetError with the first mistake's place."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SHEET + 1)
    except OSError:
        raise AbsentError(f"there is no {path.name}") from None
    try:
        raw = read_plain_yaml(content, path.name, MAX_SHEET)
        return model.model_validate_json(json.dumps(raw))  # by way of JSON a list makes a tuple
    except Ungradable as error:
        raise SheetError(error.what) from None
    except ValidationError as error:
        raise SheetError(f"{path.name}: {_told(error.errors(include_url=False)[0])}") from None


def _told(error: Any) -> str:
    """The first of pydantic's errors, in a learner's words."""
    *places, kind = (
        *(str(part) for part in error["loc"] if not isinstance(part, int)),
        error["type"],
    )
    in_list = len(places) < len(error["loc"])
    while places and places[-1] in ("int", "float"):  # pydantic's names of the branches it tried
        places.pop()
    key = ".".join(places) or "the sheet"
    if kind == "missing" and not in_list:
        return f"{key} is missing"
    if kind == "extra_forbidden":
        return f"{key} is not asked for: take it out"
    if kind == "too_long" and not in_list:
        return f"{key} has more entries than the {MAX_ENTRIES} that it may have"
    wanted = _WANTED.get(kind) or error["msg"].removeprefix("Input should be ")
    if in_list or kind in _LISTS:
        wanted = "a list as the sheet shows it"
    return f"{key} must be {wanted}, not {legible(repr(error['input']), 80)}"


_LISTS = ("tuple_type", "missing", "too_long", "too_short")
_WANTED = {
    "int_type": "a number",
    "float_type": "a number",
    "string_type": "a text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "string_pattern_mismatch": "the 16 digits that `dllab draw` wrote, in quotes",
}
