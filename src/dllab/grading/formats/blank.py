"""New sheets: what an id draws, laid out to be filled in."""

from pathlib import Path

from dllab.errors import LabError
from dllab.grading.formats.claims import draw_claims
from dllab.grading.formats.forecast import draw_forecast
from dllab.grading.formats.lots import new_id
from dllab.lab.find import Lab
from dllab.lab.formats import Claims, Forecast
from dllab.rundir.run import write_text


def write_sheets(lab: Lab) -> dict[Path, bool]:
    """Write the sheets that are missing beside lab.py; every sheet's path, and whether it is new.

    Raises LabError for a lab that asks for none.
    """
    sheets = [one for one in lab.spec.formats.values() if isinstance(one, Forecast | Claims)]
    if not sheets:
        raise LabError(f"lab {lab.number} asks for no sheet", "it has no forecast and no claims")
    written = {}
    for criterion in sheets:
        path = lab.folder / criterion.sheet
        written[path] = not path.exists()
        if written[path]:
            write_text(path, blank_sheet(lab, criterion, new_id()))
    return written


def blank_sheet(lab: Lab, criterion: Forecast | Claims, id: str) -> str:
    """The text of a sheet for what an id draws."""
    body = _forecast if isinstance(criterion, Forecast) else _claims
    head = [f"# {criterion.title}: {criterion.points:g} points in the official grade.", *_HEAD]
    lines = [*head, f'draw: "{id}"', *body(lab, criterion, id)]  # type: ignore[arg-type]
    return "\n".join(lines) + "\n"


_HEAD = ("# The id has drawn what is asked of you: leave it. Fill in what follows a colon.",)


def _forecast(lab: Lab, criterion: Forecast, id: str) -> list[str]:
    drawn, lines = draw_forecast(lab, criterion, id), []
    if criterion.answers:
        config = ", ".join(f"{name} = {value}" for name, value in drawn.config.items())
        lines += [f"answers: # exact, for {config}"]
        lines += [f"  {name}: # {asked}" for name, asked in criterion.answers.items()]
    if criterion.intervals:
        lines += [f"intervals: # [low, high], which hold {criterion.measure} in 8 of 10 cases"]
        lines += [f"  {cell.name}: # {cell.told}" for cell in drawn.asked]
    return lines


def _claims(lab: Lab, criterion: Claims, id: str) -> list[str]:
    shared = "".join(f" {word}" for word in criterion.overrides)
    measure = lab.spec.measured[criterion.measure].title
    lines = [
        f"# A run of an arm: dllab train {lab.number} ARM seed=N{shared}",
        f"# Compare “{measure}”: seed by seed, the second arm minus the first; then the mean.",
        "claims:",
    ]
    for name, (first, second) in draw_claims(lab, criterion, id).items():
        lines += [
            f"  {name}:",
            f'    arms: ["{first}", "{second}"]',
            f"    seeds: # at least {criterion.seeds}, such as [0, 1, 2, 3, 4]",
            "    difference:",
            "    interval: # [low, high], of 95 %, from the t distribution of these differences",
            "    verdict: # better, worse or undecided: the second arm against the first",
        ]
    return lines
