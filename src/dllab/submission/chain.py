"""A hash chain over a curve: a line changed, dropped or put in later breaks every link after it.

The chain proves order and completeness of what was recorded, not that it is true: whoever makes up
a whole curve can chain it too. That is what retraining is for.
"""

import hashlib
import json

from dllab.submission.layout import bad


def link(text: str, start: str) -> str:
    """The JSON lines of a curve, each with a `chain` that binds it to all before and to `start`."""
    previous, lines = _hash(start), []
    for line in text.splitlines():
        point = json.loads(line)
        previous = _hash(previous + json.dumps(point))
        lines.append(json.dumps({**point, "chain": previous}))
    return "".join(f"{line}\n" for line in lines)


def check(text: str, start: str, name: str) -> None:
    """Raise Ungradable, with the line, where the chain breaks."""
    previous = _hash(start)
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            point = json.loads(line)
            said = point.pop("chain")
            previous = _hash(previous + json.dumps(point))
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise bad(f"{name}:{number} is not a chained point of a curve") from None
        if said != previous:
            raise bad(f"{name}:{number} does not follow from the lines before it")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
