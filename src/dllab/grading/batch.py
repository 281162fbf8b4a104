"""Many archives: graded side by side, resumable, and none of them can stop the others."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from dllab.errors import InfraError, LabError
from dllab.grading.official import Terms, file_id, grade_archive
from dllab.rundir.run import read_json, write_json, write_text

COLUMNS = ("archive", "lab", "verdict", "passed", "score", "max_score", "reason", "id")


def grade_folder(
    archives: Sequence[Path],
    terms: Terms,
    out: Path,
    jobs: int = 1,
    done: Callable[[Path, dict[str, Any]], None] = lambda _archive, _result: None,
) -> list[dict[str, Any]]:
    """Grade every archive into `out/results/ID.json` and list them all in `out/grades.csv`.

    An archive whose result is there already is not graded again, unless the fault was ours: so an
    interrupted batch goes on where it stopped. `done` hears of each one as it is finished.
    """
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        graded = {pool.submit(_grade_one, archive, terms, out): archive for archive in archives}
        for future in as_completed(graded):
            done(graded[future], future.result())
        results = {archive: future.result() for future, archive in graded.items()}
    rows = [_row(archive, results[archive]) for archive in archives]
    write_text(out / "grades.csv", _csv(rows))
    return [results[archive] for archive in archives]


def _grade_one(archive: Path, terms: Terms, out: Path) -> dict[str, Any]:
    target = out / "results" / f"{file_id(archive)}.json"
    if target.is_file():
        earlier = read_json(target)
        if earlier["verdict"] != "infra_error" and _same_terms(earlier, terms):
            return earlier
    try:
        result = grade_archive(archive, terms)
    except LabError as error:
        # The grader's own fault (a full disk, a lost sandbox) must not end the batch.
        raise InfraError(f"{archive.name}: {error.what}", error.hint) from error
    write_json(target, result)
    return result


def _same_terms(result: dict[str, Any], terms: Terms) -> bool:
    evaluated_on = "hidden" if terms.hidden else "public-test"
    return bool(result["mode"] == terms.mode and result["evaluated_on"] == evaluated_on)


def _row(archive: Path, result: dict[str, Any]) -> dict[str, Any]:
    submission = result["submission"]
    told = {name: result.get(name) for name in COLUMNS}
    return {**told, "archive": archive.name, "lab": submission["lab"], "id": submission["id"]}


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is shown as text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return f"'{value}"
    return value
