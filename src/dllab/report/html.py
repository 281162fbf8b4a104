"""report.html: one self-contained page about one run, for screen, phone and paper.

    write_report(root, run)    # → runs/…/report.html

Whatever a run lacks (no arms, no result, no predictions) is left out of its page. Everything that
came from learner code passes through the template's escaping.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from dllab.lab.find import Lab, find_lab
from dllab.lab.project import enter
from dllab.report.advice import next_steps
from dllab.report.cost import cost_facts
from dllab.report.curve_rules import Finding
from dllab.report.curves import panels
from dllab.report.findings import arm_findings
from dllab.report.mistakes import Mistakes, read_mistakes
from dllab.report.rubric import number, points, read_rubric
from dllab.report.standing import read_standings
from dllab.rundir.compare import Difference, differences
from dllab.rundir.dreams import Dreamt, read_dreams
from dllab.rundir.listing import full_run_before, previous_run
from dllab.rundir.run import ArmFolder, RunFolder, write_text

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ArmView:
    """What the page shows of one training. `undrawn`: nothing is there to draw its curves with."""

    name: str
    undrawn: bool
    plots: tuple[tuple[str, Markup], ...]
    findings: tuple[Finding, ...]
    mistakes: Mistakes | None


def write_report(root: Path, run: RunFolder) -> Path:
    """Write the run's report.html and return its path.

    Raises LabError when the run's lab is no longer there, or the disk is full.
    """
    enter(root)
    lab = find_lab(root, run.lab_id)
    write_text(run.report, _render("report.html.j2", _content(root, lab, run)))
    return run.report


def write_dream_page(lab: Lab, of: str, dreams: Sequence[Dreamt], path: Path) -> None:
    """Write a page of dreams alone, of a submission that has no run folder here."""
    write_text(
        path, _render("dream.html.j2", {"css": _css(), "lab": lab, "of": of, "dreams": dreams})
    )


def _render(template: str, content: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "points": points, "percent": _percent}
    return environment.get_template(template).render(content)


def _css() -> Markup:
    return Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - ours


def _content(root: Path, lab: Lab, run: RunFolder) -> dict[str, Any]:
    result, card, config = run.read_result(), run.read_card(), run.read_config()
    arms = [_arm_view(lab, arm) for arm in run.arms()]
    rubric = read_rubric(result, lab, run.tried) if result else None
    before = full_run_before(root, run) if run.tried else previous_run(root, run)
    findings = {arm.name: arm.findings for arm in arms}
    return {
        "css": _css(),
        "lab": lab,
        "run": run,
        "card": card,
        "impl": rubric.impl if rubric else card.get("impl", ""),
        "result": result,
        "rubric": rubric,
        "when": _when(card),
        "overrides": config.get("overrides") or [],
        "arms": [arm for arm in arms if arm.plots or arm.undrawn or arm.findings or arm.mistakes],
        "steps": next_steps(lab, run, result, rubric, findings),
        "standings": read_standings(result, lab, before.read_result() if before else None)
        if result
        else [],
        "before": before,
        "before_name": "the last full run" if run.tried else "the run before",
        "changes": _changes(before, run) if before else [],
        "dreams": read_dreams(run),
        "costs": cost_facts(card),
    }


def _arm_view(lab: Lab, arm: ArmFolder) -> ArmView:
    curve, can_draw = arm.read_curve(), find_spec("matplotlib") is not None
    findings = arm_findings(lab, arm)
    marks = [finding.step_range for finding in findings]
    spec = lab.spec.arms.get(arm.name)
    return ArmView(
        name=arm.name,
        undrawn=bool(curve) and not can_draw,
        plots=_plots(curve, marks) if curve and can_draw else (),
        findings=tuple(findings),
        mistakes=read_mistakes(arm, spec.data if spec else ""),
    )


def _plots(
    curve: list[dict[str, float]], marks: Sequence[tuple[int, int]]
) -> tuple[tuple[str, Markup], ...]:
    """Title and drawing of each panel; what a finding is about is shaded in the first, the loss."""
    from dllab.report.plots import draw_panel

    return tuple(
        (panel.title, Markup(draw_panel(panel, marks if i == 0 else ())))  # noqa: S704 - ours
        for i, panel in enumerate(panels(curve))
    )


def _changes(before: RunFolder, run: RunFolder) -> list[Difference]:
    """What differs in the arms that both runs trained; a lone arm needs no name."""
    a, b = (dict(r.read_config().get("arms") or {}) for r in (before, run))
    shared = [name for name in b if name in a]
    if shared == [*a] == [*b] and len(shared) == 1:
        return list(differences(a[shared[0]], b[shared[0]]))
    return list(differences({n: a[n] for n in shared}, {n: b[n] for n in shared}))


def _when(card: dict[str, Any]) -> str:
    """`21 November 2026, 22:11`, in local time; empty when the card doesn't say."""
    try:
        moment = datetime.fromisoformat(str(card["started"])).astimezone()
    except (KeyError, ValueError):
        return ""
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def _percent(share: float) -> str:
    """A probability to read: 97 %, 3.4 %, < 0.1 %."""
    if 0 < share < 0.001:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    digits = 0 if share >= 0.1 or share == 0 else 1
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
