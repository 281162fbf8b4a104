"""What an honest learner writes into a lab's sheets: what can be worked out, what runs show."""

import statistics
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scipy.special import stdtrit

from dllab.authoring.rules_formats import at_work, reference_sheet
from dllab.grading.formats.claims import ArmPair, draw_claims, verdict_of
from dllab.grading.formats.rerun import run_cell
from dllab.grading.formats.sheets import Claim, ClaimsSheet
from dllab.lab.find import Lab, find_lab
from dllab.lab.formats import Claims, Forecast
from dllab.lab.project import find_root


def fill_sheets(lab: Lab, seed: int, folder: Path) -> None:
    """Write the sheets that the lab asks for into `folder`; each seed draws its own."""
    id = f"{seed:016x}"
    for criterion in lab.spec.formats.values():
        if isinstance(criterion, Forecast):
            sheet = reference_sheet(lab, criterion, id).model_dump_json()
        elif isinstance(criterion, Claims):
            sheet = claims_sheet(lab, criterion, id).model_dump_json()
        else:
            continue
        (folder / criterion.sheet).write_text(sheet, encoding="utf-8")  # JSON is YAML


def claims_sheet(lab: Lab, criterion: Claims, id: str) -> ClaimsSheet:
    """Claims on what the id draws, by t intervals of the runs' differences."""
    values = cells(lab.id, criterion.id)
    measure = lab.spec.measured[criterion.measure]
    more_is_better = measure.target > measure.floor

    def claim(pair: ArmPair) -> Claim:
        first, second = (values[arm] for arm in pair)
        found = [b - a for a, b in zip(first, second, strict=True)]
        mean, n = statistics.mean(found), len(found)
        half = float(stdtrit(n - 1, 0.975)) * statistics.stdev(found) / n**0.5
        low, high = mean - half, mean + half
        verdict = verdict_of(low, high, more_is_better=more_is_better)
        return Claim(
            arms=pair,
            seeds=tuple(range(n)),
            difference=mean,
            interval=(low, high),
            verdict=verdict,
        )

    drawn = draw_claims(lab, criterion, id)
    return ClaimsSheet(draw=id, claims={name: claim(pair) for name, pair in drawn.items()})


@cache
def cells(lab_id: str, criterion_id: str) -> Mapping[str, list[float]]:
    """What the runs of every arm that can be drawn come to, by arm.

    They are made once for all honest runs; the two with which a grade compares are new each time.
    """
    lab = find_lab(find_root(), lab_id)
    criterion = lab.spec.formats[criterion_id]
    assert isinstance(criterion, Claims)
    arms = {arm for pairs in criterion.pairs.values() for pair in pairs for arm in pair}
    with at_work(lab) as work:
        return {
            arm: [run_cell(work, criterion, arm, seed) for seed in range(criterion.seeds)]
            for arm in sorted(arms)
        }
