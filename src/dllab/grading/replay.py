"""`--replay`: does the recorded training lead where it says? Evidence for a person, no judgement.

Recorded segments are run again in the sandbox, each from the snapshot it began with, on the
released data. Other machines round and draw otherwise, and no snapshot holds the optimiser's state.
So nothing is compared bit by bit: losses must lie on the recorded level, parameters must move in
about the recorded direction, and the weights handed in must lie near the recorded path. What does
not fit leads to `needs_review`, with the numbers.
"""

import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from dllab.grading.result import Result
from dllab.grading.rows import Row
from dllab.lab.find import Lab
from dllab.rundir.run import ArmFolder, RunFolder
from dllab.rundir.snapshots import SEGMENTS, SPAN, WARM_UP, Segment, plan, segments
from dllab.sandbox.backends import Backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Failure, Session, open_session
from dllab.sandbox.wire import Arrays, WireError, unpack

LEVEL = 0.25  # of the loss, beside four standard errors
LEAST_COSINE = 0.1  # honest ones: above 0.2 with other dropout; unrelated ones: below 0.02
MOST_STRIDES = 5.0  # how much longer one of the two movements may be
MOST_LEGS = 2.0
ROUNDING = 2**-11  # of half precision, in which snapshots are kept
SENTENCE = "Segments of the recorded training, run again, lead where the record says."
BEYOND_US = ("timeout", "memory")  # the grader's machine may be the smaller one


@dataclass
class Findings:
    """What of an arm does not fit, in words; and what was measured, segment by segment."""

    doubts: list[str] = field(default_factory=list)
    measured: list[dict[str, Any]] = field(default_factory=list)
    path: list[Arrays] = field(default_factory=list)


def replay_rows(lab: Lab, run: RunFolder, backend: Backend) -> list[Row]:
    """A row for each arm: `pass`, `review` with what does not fit, or `skip` where nothing could be
    run again. `run` is an unpacked submission; nothing in it is believed or changed.
    """
    configs = run.read_config().get("arms", {})
    limits = Limits.of_training(lab.spec.budgets)
    with open_session(lab, run.code, backend, limits, released=True) as session:
        return [_arm_row(session, run.arm(arm), configs.get(arm)) for arm in lab.spec.arms]


def attach(result: Result, rows: Sequence[Row]) -> None:
    """Add the rows to a result; one to be reviewed turns a grade into `needs_review`."""
    result["checks"] += [row.plain() for row in rows]
    for name in ("manifest_expected", "manifest_completed"):
        result[name] += [row.id for row in rows]
    doubtful = [row for row in rows if row.status == "review"]
    if doubtful and result["verdict"] == "graded":
        said = f"{doubtful[0].title}: {doubtful[0].message}"
        result |= {"verdict": "needs_review", "passed": False, "reason": said}


def _arm_row(session: Session, arm: ArmFolder, config: dict[str, Any] | None) -> Row:
    if not config or not arm.weights.is_file():
        return _row(arm, "skip", "the arm was not trained")
    if isinstance(config.get("data"), dict) and config["data"].get("size") == "full":
        return _row(arm, "skip", "trained on data=full, of which only the small part is here")
    try:
        weights = unpack(arm.weights.read_bytes())
        chosen = _draw(list(segments(arm)))
        if not chosen:
            return _unrecorded(arm, weights)
        found = Findings()
        for segment in chosen:
            if (failure := _replay(session, arm, config, segment, found)) is not None:
                status = "skip" if failure.kind in BEYOND_US else "review"
                return _row(arm, status, f"it could not be run again: {failure.message}")
    except WireError as error:
        return _row(arm, "review", f"its snapshots cannot be read: {error}")
    _compare_path(found, weights)
    message = "; ".join(found.doubts)
    return _row(arm, "review" if found.doubts else "pass", message, found.measured)


def _draw(found: list[Segment]) -> list[Segment]:
    """As many as an honest run has, at random, in the order of the training."""
    drawn = secrets.SystemRandom().sample(found, min(SEGMENTS, len(found)))
    return sorted(drawn, key=lambda segment: segment.place.batches)


def _unrecorded(arm: ArmFolder, weights: Arrays) -> Row:
    """Short trainings and large models have no snapshots; of any other they were taken out."""
    batches = max(_losses(arm), default=0)
    if plan(batches, sum(value.numel() for value in weights.values())):
        return _row(arm, "review", "the run holds no snapshots to start from")
    return _row(arm, "skip", "too short a training, or too large a model, for snapshots")


def _replay(
    session: Session,
    arm: ArmFolder,
    config: dict[str, Any],
    segment: Segment,
    found: Findings,
) -> Failure | None:
    """Run a segment again and compare; the failure where that was not possible."""
    before, after = (unpack(file.read_bytes()) for file in (segment.before, segment.after))
    reply = session.replay(config, segment.before.read_bytes(), asdict(segment.place))
    if reply.failure:
        return reply.failure
    came = reply.arrays
    if not before or _shapes(before) != _shapes(after):
        raise WireError(f"{segment.after.name} does not hold what {segment.before.name} holds")
    loss, ended, began = came.get("loss"), _under("after/", came), _under("initial/", came)
    if (
        loss is None
        or loss.shape != (WARM_UP + SPAN,)
        or not set(ended) == set(began) == set(before)
    ):
        return Failure("output", "it came to its end early, or gave other arrays than asked")
    where = f"after {segment.place.batches} batches"
    level, doubt = _compare_level(arm, segment, loss)
    movement, other = _compare_movement(before, after, ended)
    found.doubts += [f"{where}: {one}" for one in (doubt, other) if one]
    numbers = {k: v for k, v in {**level, **movement}.items() if math.isfinite(v)}
    found.measured.append({"batches": segment.place.batches, **numbers})
    found.path += [began, before, after] if not found.path else [before, after]
    return None


def _compare_level(arm: ArmFolder, segment: Segment, loss: Tensor) -> tuple[dict[str, float], str]:
    """The mean of the recorded losses about the segment's beginning against that of the snapshot.

    While the optimiser warms up the parameters are the snapshot's own: these losses owe nothing to
    its state. A curve that claims less than the truth would be of use; one that says more is not.
    """
    first = segment.place.batches - WARM_UP
    told = [value for step, value in _losses(arm).items() if first <= step < first + len(loss)]
    if not told:
        return {}, ""
    held = loss[: WARM_UP + 1]
    recorded, replayed = sum(told) / len(told), float(held.mean())
    error = float(held.std()) * math.sqrt(1 / len(told) + 1 / len(held))
    allowed = LEVEL * replayed + 4 * error
    numbers = {"recorded_loss": recorded, "replayed_loss": replayed, "allowed": allowed}
    fits = recorded >= replayed - allowed
    said = f"the curve says a loss of {recorded:.3g}, run again it is {replayed:.3g}"
    return numbers, "" if fits else said


def _compare_movement(before: Arrays, after: Arrays, ended: Arrays) -> tuple[dict[str, float], str]:
    """Where the parameters went against where they go, unless rounding hides either.

    A step too large for the little that the optimiser has seen may throw a replay off its course:
    that says nothing.
    """
    if not all(bool(value.isfinite().all()) for value in ended.values()):
        return {"replayed_way": math.inf}, ""  # left out of the evidence: JSON has no such number
    start = _flat(before, before)
    told, seen = (_flat(arrays, before) - start for arrays in (after, ended))
    noise = 4 * ROUNDING * float(start.norm())
    numbers = {"recorded_way": float(told.norm()), "replayed_way": float(seen.norm())}
    longer, shorter = max(numbers.values()), min(numbers.values())
    if longer <= noise:
        return numbers, ""
    if longer > MOST_STRIDES * max(shorter, noise):
        told_way, seen_way = numbers.values()
        return numbers, f"the parameters went {told_way:.3g} far, run again {seen_way:.3g}"
    numbers["cosine"] = float(told @ seen / (told.norm() * seen.norm()))
    if shorter > noise and numbers["cosine"] < LEAST_COSINE:
        return numbers, f"the parameters went elsewhere: cosine {numbers['cosine']:.2f}"
    return numbers, ""


def _compare_path(found: Findings, weights: Arrays) -> None:
    """Whether the weights lie near one of the path's points, measured by the path's longest leg."""
    names = set.intersection(*(set(point) for point in found.path)) & set(weights)
    like = {name: found.path[0][name] for name in sorted(names)}
    points = [_flat(point, like) for point in found.path]
    longest = max(float((there - here).norm()) for here, there in pairwise(points))
    nearest = min(float((_flat(weights, like) - point).norm()) for point in points)
    found.measured.append({"longest_leg": longest, "distance_to_path": nearest})
    if nearest > MOST_LEGS * longest:
        found.doubts.append(
            f"the weights lie {nearest:.3g} from the recorded path, whose longest leg is "
            f"{longest:.3g}"
        )


def _losses(arm: ArmFolder) -> dict[int, float]:
    """The curve's losses by step; whatever else a stranger's curve may hold is left out."""
    points: list[dict[str, Any]] = list(arm.read_curve())
    pairs = [(point.get("step"), point.get("train/loss")) for point in points]
    return {s: v for s, v in pairs if isinstance(s, int) and isinstance(v, float)}


def _shapes(arrays: Arrays) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in arrays.items()}


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _flat(arrays: Arrays, like: Arrays) -> Tensor:
    """One long vector; WireError where something of other shape or no number is among them."""
    for name, value in like.items():
        if arrays[name].shape != value.shape or not bool(arrays[name].isfinite().all()):
            raise WireError(f"{name} has another shape, or is not finite")
    return torch.cat([arrays[name].double().flatten() for name in like])


def _row(arm: ArmFolder, status: Any, message: str, measured: Sequence[dict[str, Any]] = ()) -> Row:
    return Row(
        id=f"replay-{arm.name}",
        title=f"The recorded training can be run again ({arm.name})",
        kind="integrity",
        status=status,
        points=0.0,
        max_points=0.0,
        message=message,
        sentence=SENTENCE,
        evidence={"segments": list(measured)} if measured else {},
    )
