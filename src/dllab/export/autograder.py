"""What run_autograder does inside Gradescope's container: submission in, results.json out.

`dllab grade` does the work, as a process of its own: whatever ends it, results.json is written.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from dllab.export.grades import grade_of, read_grade
from dllab.export.gradescope import results_json
from dllab.result import Result, Submission


def run_autograder(prefix: Path) -> None:
    """Grade `prefix/submission` and write `prefix/results/results.json`."""
    with tempfile.TemporaryDirectory() as folder:
        archive, written = Path(folder) / "submission.zip", Path(folder) / "result.json"
        pack(prefix / "submission", archive)
        # Its output goes to Gradescope's stdout, which only the staff can see.
        grading = grade_command(archive, prefix / "source" / "hidden", written)
        code = subprocess.run(grading, check=False).returncode
        grade = read_grade(written) if written.is_file() else grade_of(_broken(code), written)
    document = results_json(grade, _read(prefix / "submission_metadata.json"))
    results = prefix / "results" / "results.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(document, indent=2), encoding="utf-8")


def grade_command(submission: Path, hidden: Path, result: Path) -> list[str]:
    """The official grading, on the hidden set where the bundle has one."""
    on_hidden = ["--hidden", str(hidden)] if hidden.is_dir() else []
    command = [sys.executable, "-m", "dllab", "grade", str(submission), "--official"]
    return [*command, *on_hidden, "--json", str(result)]


def pack(folder: Path, archive: Path) -> None:
    """Gradescope unpacks an uploaded zip; pack it again, or take the zip that lies there.

    Files only: what a link points at is not the learner's work. Intake judges the rest.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink()]
    if len(files) == 1 and files[0].suffix == ".zip":
        archive.write_bytes(files[0].read_bytes())
        return
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, file.relative_to(folder).as_posix())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _broken(code: int) -> Result:
    """The result of a grading that left none."""
    return Result(
        submission=Submission(lab=None),
        verdict="infra_error",
        reason=f"grading ended with code {code} and left no result",
    )


if __name__ == "__main__":
    run_autograder(Path(sys.argv[1]))
