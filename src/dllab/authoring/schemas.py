"""The JSON Schemas of dllab's files, from the models that read them.

python -m dllab.authoring.schemas docs/schemas    # writes them all
"""

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dllab.course.plan import CourseRules
from dllab.data.description import Description, WeightsDescription
from dllab.grading.hidden import HiddenIndex
from dllab.lab.checked import is_from_key
from dllab.lab.spec import LabSpec
from dllab.result import Result
from dllab.submission.manifest import Manifest

MODELS: dict[str, Any] = {
    "lab": LabSpec,
    "result": Result,
    "submission": Manifest,
    "hidden": HiddenIndex,
    "course": CourseRules,
    "dataset": Description,
    "weights": WeightsDescription,
}


def schemas() -> Iterator[tuple[str, str]]:
    """File name and content of each schema."""
    for name, model in MODELS.items():
        schema = TypeAdapter(model).json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            _leave_out_keys(part, getattr(inspect.getmodule(model), part["title"], None))
        yield f"{name}.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _leave_out_keys(part: dict[str, Any], model: Any) -> None:
    """An entry's own key stands before it: nobody writes it inside."""
    for one in fields(model) if is_dataclass(model) else ():
        if is_from_key(one):
            part["properties"].pop(one.name)
            part["required"] = [name for name in part["required"] if name != one.name]


if __name__ == "__main__":
    for file, text in schemas():
        (Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
