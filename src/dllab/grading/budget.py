"""The resource rows: what a submission weighs against the lab's budget."""

from dllab.grading.rows import Row
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder

ID = "artifact-bytes"


def resource_ids(lab: Lab) -> tuple[str, ...]:
    """The resource rows that must report: none for a lab that trains nothing."""
    return (ID,) if lab.spec.arms else ()


def weigh(lab: Lab, run: RunFolder) -> list[Row]:
    """Bytes of the code and of all weights as files: what a model hides in buffers or in its
    source weighs as much as what it declares as parameters.
    """
    if not lab.spec.arms:
        return []
    files = [run.code, *(run.arm(name).weights for name in lab.spec.arms)]
    total = sum(file.stat().st_size for file in files if file.is_file())
    budget = lab.spec.budgets.artifact_bytes
    message = f"expected at most {budget / 1e6:.1f} MB of code and weights, got {total / 1e6:.1f}"
    fits = total <= budget
    return [
        Row(
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
