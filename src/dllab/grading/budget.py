"""The resource rows: what a submission weighs against the lab's budget."""

from collections.abc import Sequence
from dataclasses import replace

from dllab.lab.find import Lab
from dllab.result import CheckRow
from dllab.rundir.run import RunFolder

ID = "artifact-bytes"


def resource_ids(lab: Lab) -> tuple[str, ...]:
    """The resource rows that must report: none for a lab that trains nothing."""
    return (ID,) if lab.spec.arms else ()


def weigh(lab: Lab, run: RunFolder) -> list[CheckRow]:
    """Bytes of code, config and all weights as files: what a model hides in buffers, in its
    source or in its config weighs as much as what it declares as parameters.
    """
    if not lab.spec.arms:
        return []
    files = [run.code, run.config, *(run.arm(name).weights for name in lab.spec.arms)]
    files += [run.artifact(name) for name in lab.spec.artifacts]
    files += [run.files / name for name in lab.spec.learner_files]
    total = sum(file.stat().st_size for file in files if file.is_file())
    budget = lab.spec.budgets.artifact_bytes
    message = f"expected at most {budget / 1e6:.1f} MB of code and weights, got {total / 1e6:.1f}"
    fits = total <= budget
    return [
        CheckRow(
            id=ID,
            title="Size of code and weights",
            kind="resource",
            status="pass" if fits else "fail",
            points=0.0,
            max_points=0.0,
            message="" if fits else message,
            sentence="Code and weights together stay within the lab's budget of bytes.",
            required=True,
            evidence={"bytes": total, "budget": budget},
        )
    ]


def withhold(rows: Sequence[CheckRow], weighed: Sequence[CheckRow]) -> list[CheckRow]:
    """The rows of the criteria, without points where the model is over its budget."""
    over = [row for row in weighed if row.status != "pass"]
    if not over:
        return list(rows)
    return [
        replace(row, status="fail", points=0.0, message=over[0].message)
        if row.kind == "metric"
        else row
        for row in rows
    ]
