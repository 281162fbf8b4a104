"""`--retrain`: score the model that the submitted code learns here, not the weights handed in."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml
from safetensors.torch import save_file

from dllab.config.compose import compose
from dllab.errors import Ungradable
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import Backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session


def retrain(lab: Lab, run: RunFolder, backend: Backend, seed: int | None = None) -> None:
    """Train every arm anew in the sandbox, and put the weights in place of those handed in.

    The config is the lab's own with `data=small`, the seed the grader's: neither a tuned config nor
    a lucky seed comes along. `run` must be an unpacked submission. Raises Ungradable when the code
    does not train within the lab's budget.
    """
    drawn = secrets.randbits(31) if seed is None else seed
    configs = compose(lab)
    limits = Limits.of_training(lab.spec.budgets)
    with Session(lab, run.code, backend, limits, released=True) as session:
        for arm, config in configs.items():
            reply = session.retrain(config.model, config.data, asdict(config.trainer), drawn)
            if reply.failure:
                raise Ungradable(
                    f"training the arm {arm} anew failed: {reply.failure.message}",
                    f"it must train by the lab's config within {lab.spec.budgets.train_s:g} s",
                )
            run.arm(arm).path.mkdir(parents=True, exist_ok=True)
            save_file(reply.arrays, run.arm(arm).weights)
        if lab.spec.artifacts:
            _make_artifacts(session, run, {arm: one.model for arm, one in configs.items()})
    plain = {name: config.plain() for name, config in configs.items()}
    run.config.write_text(yaml.safe_dump({"lab": lab.id, "arms": plain}), encoding="utf-8")


def _make_artifacts(
    session: Session, run: RunFolder, models: Mapping[str, Mapping[str, Any]]
) -> None:
    """From the weights learned here, in place of the files handed in."""
    weights = {arm: (run.arm(arm).weights.read_bytes(), one) for arm, one in models.items()}
    reply = session.artifacts(weights)
    if reply.failure:
        raise Ungradable(f"making the artifacts anew failed: {reply.failure.message}")
    run.artifacts.mkdir(exist_ok=True)
    run.artifacts.chmod(0o755)
    for name, content in reply.arrays.items():
        run.artifact(name).write_bytes(bytes(content.tolist()))
        run.artifact(name).chmod(0o644)  # read behind the wall, whatever the umask
