"""A learner's work as the formats see it."""

from dataclasses import dataclass
from pathlib import Path

from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend
from dllab.sandbox.reply import Failure, Reply
from dllab.sandbox.session import Session


@dataclass(frozen=True)
class Work:
    """What is judged, and with what.

    `session` holds the learner's `code`, the sheets lie in `folder`, other sessions are opened
    behind `backend`; `seed` is the grading's secret.
    """

    lab: Lab
    code: Path
    folder: Path
    session: Session
    backend: Backend
    seed: int


class LostError(Exception):
    """Learner code gave no answer that could be used."""

    def __init__(self, reply: Reply, failure: Failure) -> None:
        super().__init__(failure.message)
        self.reply, self.failure = reply, failure
