"""What is drawn for one learner: everything follows from the id at the top of a sheet.

The id is chosen at random when `dllab draw` writes the sheet, travels in it, and so lets the grader
draw the same again from the submission alone. Nothing keeps a learner from writing a new sheet for
another draw: authors draw from values that are equally hard, and then there is nothing to gain. An
answer sheet handed on carries its id along, which a batch of submissions shows.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def new_id() -> str:
    """16 hexadecimal digits, by chance."""
    return secrets.token_hex(8)


def pick(options: Sequence[T], *purpose: str) -> T:
    """One of the options, the same for the same purpose on every machine."""
    return options[_lot(*purpose) % len(options)]


def pick_some(options: Sequence[str], count: int, *purpose: str) -> tuple[str, ...]:
    """At most `count` different options, in the order in which they are given."""
    by_lot = sorted(options, key=lambda option: _lot(*purpose, option))
    chosen = set(by_lot[:count])
    return tuple(option for option in options if option in chosen)


def _lot(*purpose: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(purpose).encode()).digest())
