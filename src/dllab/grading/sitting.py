"""What a grading has at hand while learner code is alive."""

from dataclasses import dataclass

from dllab.grading.items import ItemSource
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import Backend
from dllab.sandbox.session import Session


@dataclass(frozen=True)
class Sitting:
    """A lab, a learner's run, the session with their code, and the items that score it.

    Other sessions are opened behind `backend`. `whole` says whether hidden criteria count.
    """

    lab: Lab
    run: RunFolder
    session: Session
    source: ItemSource
    backend: Backend
    whole: bool
