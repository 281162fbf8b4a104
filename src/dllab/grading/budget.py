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
    source or in its config weighs as much as what it declares as parameters. The code alone has a
    budget too: it is all that `--retrain` takes over, and a table of answers would stand there.
    """
    if not lab.spec.arms:
        return []
    files = [run.code, run.config, *(run.arm(name).weights for name in lab.spec.arms)]
    files += [run.artifact(name) for name in lab.spec.artifacts]
    files += [run.files / name for name in lab.spec.learner_files]
    total = sum(file.stat().st_size for file in files if file.is_file())
    code, budgets = run.code.stat().st_size, lab.spec.budgets
    message = ""
    if code > budgets.code_bytes:
        message = f"expected at most {budgets.code_bytes:,} bytes of lab.py, got {code:,}"
    if total > budgets.artifact_bytes:
        most = f"{budgets.artifact_bytes / 1e6:.1f} MB of code and weights"
        message = f"expected at most {most}, got {total / 1e6:.1f}"
    return [
        CheckRow(
            id=ID,
            title="Size of code and weights",
            kind="resource",
            status="fail" if message else "pass",
            points=0.0,
            max_points=0.0,
            message=message,
            sentence="Code and weights stay within the lab's budget of bytes, and so does lab.py.",
            required=True,
            evidence={"bytes": total, "budget": budgets.artifact_bytes, "code_bytes": code},
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
