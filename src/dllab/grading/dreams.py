"""What a trained model shows of itself, for a report and `dllab dream`; no points depend on it."""

import tempfile
from dataclasses import replace
from pathlib import Path

from dllab.checks.dreams import Dream, dreams_in
from dllab.errors import LabError
from dllab.grading.items import PublicTest
from dllab.grading.player import LostPlayError, ModelPlayer, SecretItems, load_model
from dllab.grading.seeds import derive, generator
from dllab.grading.sitting import Sitting
from dllab.lab.authored import authored
from dllab.lab.find import Lab, find_lab
from dllab.rundir.dreams import Dreamt
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import Backend, find_backend
from dllab.sandbox.identity import let_through
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.submission.intake import read_manifest, take_in

MOST_EXHIBITS = 12  # of one dream


def dream(sitting: Sitting, seed: int = 0) -> tuple[Dreamt, ...]:
    """What comes of each dream in the lab's checks.py; one that fails says why.

    Only released items are shown, whatever items score the sitting.
    """
    shown = replace(sitting, source=PublicTest())
    return tuple(
        _dream(shown, one, derive(seed, "dream", one.title))
        for module in authored(sitting.lab, hidden=False)
        for one in dreams_in(module)
    )


def dream_run(root: Path, run: RunFolder, seed: int = 0) -> tuple[Dreamt, ...]:
    """The dreams of a run of one's own."""
    lab = find_lab(root, run.lab_id)
    return _dream_apart(lab, run, find_backend("none"), seed)


def dream_archive(
    archive: Path, root: Path, backend: Backend, seed: int = 0
) -> tuple[Lab, tuple[Dreamt, ...]]:
    """The lab of a submission, and what its model dreams behind a wall.

    Raises Ungradable for an archive that cannot be taken in.
    """
    with tempfile.TemporaryDirectory(prefix="dllab-intake-") as scratch:
        let_through(Path(scratch))
        lab = find_lab(root, read_manifest(archive).lab)
        submission = take_in(archive, lab, Path(scratch) / "run")
        return lab, _dream_apart(lab, submission.run, backend, seed)


def _dream_apart(lab: Lab, run: RunFolder, backend: Backend, seed: int) -> tuple[Dreamt, ...]:
    """In a session of their own."""
    if not any(dreams_in(module) for module in authored(lab, hidden=False)):
        raise LabError(
            f"{lab.id} declares no dream", "docs/authors.md says how its author can write one"
        )
    limits = Limits.of(lab.spec.budgets)
    with Session(lab, run.code, backend, limits, artifacts=run.artifacts) as session:
        return dream(Sitting(lab, run, session, PublicTest(), backend, whole=False), seed)


def _dream(sitting: Sitting, one: Dream, seed: int) -> Dreamt:
    dreamt = Dreamt(one.title, one.sentence)
    if absent := load_model(sitting, one.arm, seed):
        why = absent.failure.message if absent.failure else absent.untrained
        return replace(dreamt, failure=why)
    player = ModelPlayer(sitting, one.returns, one.arm, seed)
    data = sitting.lab.spec.arms[one.arm].data if one.items else ""
    items = (SecretItems(sitting.source, data, player),) if one.items else ()
    try:
        with player:
            exhibits = tuple(one.show(player, generator(seed, "world"), *items))
    except LostPlayError as lost:
        return replace(dreamt, failure=lost.failure.message)
    except Exception as error:  # noqa: BLE001 - the lab's own fault, and no grade depends on it
        return replace(dreamt, failure=f"it cannot be shown: {type(error).__name__}: {error}")
    if len(exhibits) > MOST_EXHIBITS:
        told = f"it has {len(exhibits)} exhibits, and at most {MOST_EXHIBITS} are shown"
        return replace(dreamt, failure=told)
    return replace(dreamt, exhibits=exhibits)
