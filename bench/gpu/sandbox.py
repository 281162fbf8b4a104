"""Learner code on the GPU, behind the wall of official grading: the same checks, the same labels.

Lab 02's reference, as if its lab.yaml said `budgets: {gpu: true}`: its visible checks, and its
predictions on the public test split beside those of the processor without a wall.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from safetensors.torch import save
from torch import Tensor

from bench.gpu.harness import Plan
from bench.measure import Result, judged, project
from bench.sides.reference import reference
from dllab.data import load
from dllab.grading.code_checks import check_code
from dllab.grading.draws import Draws
from dllab.lab.find import find_lab
from dllab.sandbox.backends import open_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session

MEMORY_MB = 16_384  # CUDA's own host memory comes on top of what the lab allows


def measure(plan: Plan) -> Iterator[Result]:
    """Checks, then predictions."""
    module, config = reference("02")
    torch.manual_seed(0)
    model = module.Model(**config.model)
    weights = save(model.state_dict())
    images = load("fashion_mnist", "test")["image"][: plan.size(2000, 50)]
    with torch.inference_mode():
        expected = model.eval()(images).argmax(1)
    with project() as root, open_backend("auto") as wall:
        lab = find_lab(root, "02")
        limits = Limits.of(lab.spec.budgets)
        if not plan.dry:
            limits = replace(limits, gpu=True, memory_mb=MEMORY_MB)
        with Session(lab, lab.solution, wall, limits) as session:
            rows = check_code(session, lab, lab.spec.visible[: plan.size(None, 2)], Draws(0))
            passed = sum(row.status == "pass" for row in rows)
            yield judged("G7-checks", [100 * passed / len(rows)], f"{len(rows)}, {wall.name}")
            scores, where = predict(session, weights, dict(config.model), images)
    agree = float((scores.argmax(1) == expected).double().mean())
    yield judged("G7-predict", [100 * agree], f"{len(images)}, {where}")


def predict(
    session: Session, weights: bytes, model: dict[str, object], images: Tensor
) -> tuple[Tensor, str]:
    """The scores, where they were computed, and how long the second asking took."""
    for _ in range(2):
        reply = session.predict(
            weights, model, {"image": images}, batch_size=256, device=session.device
        )
        if reply.failure:
            raise SystemExit(f"{reply.failure.message}\n{reply.failure.traceback}\n{reply.log}")
    return reply.arrays["scores"], f"on {session.device}, {reply.seconds:.2f} s"
