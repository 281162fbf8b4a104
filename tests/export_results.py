"""Results as a grader writes them, to be exported."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

VERDICTS = ("graded", "ungradable", "infra_error", "needs_review")
SECRET = "expected softmax of 7.25, a value of the hidden set"
NASTY = (
    'O\'Hara, "Zoë" <b>&',
    '=HYPERLINK("http://x")',
    "+1",
    "@sum",
    " =1+1",
    "李雷",
    "a\x00\n\tb",
)


def check(id: str, status: str, points: float = 0.0, max_points: float = 5.0, **more: Any) -> Any:
    return {
        "id": id,
        "title": id.title(),
        "kind": "code",
        "status": status,
        "points": points,
        "max_points": max_points,
        "message": "" if status == "pass" else f"{id}: expected 1 & <2>, got \u001b[31m3",
        "depends_on": [],
        "visibility": "visible",
        "evidence": {"log": SECRET},
        "required": False,
        **more,
    }


def result(learner: str | None = "ada", **more: Any) -> dict[str, Any]:
    """An official result with a check of every status, two of them hidden."""
    return {
        "schema": "dllab.result/1",
        "submission": {
            "id": "0" * 64,
            "lab": "lab01_mlp",
            "lab_version": "1",
            "learner": learner,
            "received_at": "2026-11-20T10:00:00Z",
            "late_s": 0,
        },
        "grader": {"version": "1.0", "device": "a processor", "seeds": [1]},
        "verdict": "graded",
        "reason": "",
        "passed": True,
        "score": 12.5,
        "max_score": 25.0,
        "late_penalty": 0.0,
        "mode": "official",
        "impl": "mine",
        "evaluated_on": "hidden",
        "checks": [
            check("linear", "pass", 5.0),
            check("loss", "partial", 2.5),
            check("twice", "skip", depends_on=["loss"]),
            check("gradients", "fail", title=SECRET, message=SECRET, visibility="hidden"),
            check("alone", "pass", 5.0, title=SECRET, visibility="hidden"),
            check("accuracy", "fail", kind="metric"),
        ],
        "metrics": [
            {"name": "accuracy", "value": 0.78912, "direction": "max", "source": "measured"},
            {"name": "loss", "value": 0.5, "direction": "min", "source": "measured"},
            {"name": "accuracy", "value": 0.99, "direction": "max", "source": "claimed"},
        ],
        **more,
    }


def with_verdict(verdict: str, **more: Any) -> dict[str, Any]:
    reason = "" if verdict == "graded" else "linear: the code did not end"
    passed = verdict == "graded"
    return result(verdict=verdict, passed=passed, reason=reason, **more)


def received(at: str, **more: Any) -> dict[str, Any]:
    made = result(**more)
    made["submission"]["received_at"] = at
    return made


def write(folder: Path, **results: dict[str, Any]) -> Path:
    """Each result as NAME.json in the folder, written a minute after the one before."""
    folder.mkdir(exist_ok=True)
    for minute, (name, value) in enumerate(results.items()):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(value))
        os.utime(path, (1.8e9 + 60 * minute,) * 2)
    return folder


def canvas_cells(text: str) -> dict[str, list[str]]:
    """The points in a gradebook for Canvas, by learner."""
    _, _, *lines = csv.reader(io.StringIO(text))
    return {line[0]: line[5:] for line in lines}
