"""JSON Schemas of the formats that dllab exports, written from what each system documents."""

from typing import Any

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}


def record(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def every(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def either(*choices: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(choices)}


NULL = {"type": "null"}

GRADESCOPE = record(
    {
        "score": NUMBER,
        "execution_time": NUMBER,
        "output": TEXT,
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": every(
            record(
                {
                    "score": NUMBER,
                    "max_score": NUMBER,
                    "status": {"enum": ["passed", "failed"]},
                    "name": TEXT,
                    "name_format": FORMAT,
                    "number": TEXT,
                    "output": TEXT,
                    "output_format": FORMAT,
                    "tags": every(TEXT),
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
                "score",
                "max_score",
            )
        ),
        "leaderboard": every(
            record(
                {"name": TEXT, "value": either(NUMBER, TEXT), "order": {"enum": ["asc", "desc"]}}
            )
        ),
    },
    "execution_time",
)

AUTOLAB_SCORES = record(
    {"scores": {"type": "object", "additionalProperties": NUMBER}, "scoreboard": every(NUMBER)}
)

AUTOLAB_FEEDBACK = {
    "type": "object",
    "properties": {"_presentation": {"const": "semantic"}, "stages": every(TEXT)},
    "required": ["_presentation", "stages"],
    "additionalProperties": {
        "type": "object",
        "additionalProperties": record({"passed": FLAG, "hint": TEXT}),
    },
}

CHECK50 = {
    "oneOf": [
        record(
            {
                "slug": TEXT,
                "version": TEXT,
                "results": every(
                    record(
                        {
                            "name": TEXT,
                            "description": TEXT,
                            "passed": either(FLAG, NULL),
                            "log": every(TEXT),
                            "cause": either(
                                NULL,
                                record(
                                    {
                                        "rationale": TEXT,
                                        "help": either(TEXT, NULL),
                                        "expected": TEXT,
                                        "actual": TEXT,
                                        "error": {"type": "object"},
                                    },
                                    "expected",
                                    "actual",
                                    "error",
                                ),
                            ),
                            "data": {"type": "object"},
                            "dependency": either(TEXT, NULL),
                        }
                    )
                ),
            }
        ),
        record(
            {
                "slug": TEXT,
                "version": TEXT,
                "error": record(
                    {
                        "type": TEXT,
                        "value": TEXT,
                        "traceback": every(TEXT),
                        "data": {"type": "object"},
                    }
                ),
            }
        ),
    ]
}

TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}(Z|[+-]\d\d:\d\d)$",
}

LTI_SCORE = {
    **record(
        {
            "userId": TEXT,
            "scoreGiven": {"type": "number", "minimum": 0},
            "scoreMaximum": {"type": "number", "exclusiveMinimum": 0},
            "comment": TEXT,
            "timestamp": TIME,
            "activityProgress": {
                "enum": ["Initialized", "Started", "InProgress", "Submitted", "Completed"]
            },
            "gradingProgress": {
                "enum": ["NotReady", "Failed", "Pending", "PendingManual", "FullyGraded"]
            },
            "submission": record({"submittedAt": TIME}),
        },
        "scoreGiven",
        "scoreMaximum",
        "submission",
    ),
    "dependentRequired": {"scoreGiven": ["scoreMaximum"]},
}
