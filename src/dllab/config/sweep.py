"""Several runs from one command line, through Hydra's own sweepers and launchers.

`dllab train 01 model.lr=0.01,0.1 -m` runs one job after another; with a launcher plugin installed,
`hydra/launcher=joblib` runs them side by side and `hydra/launcher=submitit_slurm` on a cluster.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException
from omegaconf import DictConfig

from dllab.config.compose import compose, register_schema, searchpath
from dllab.config.explain import hydra_reason
from dllab.config.layers import Layers
from dllab.config.overrides import parse_raw, quoted
from dllab.errors import LabError
from dllab.lab.find import Lab

STOPPED = 130  # the exit code of a run that Ctrl-C ended

Run = Callable[[Path, str, list[str]], int]
"""One run: project root, the lab's id, overrides -> exit code. Module-level, so that it pickles."""


def multirun(lab: Lab, overrides: Sequence[str], run: Run) -> int:
    """Call `run` once for each combination of the values in `overrides`; 0 when all were run.

    Every value is checked before the first run starts. When a run raises, the others still go on;
    the first error is raised in the end. Hydra's records lie in `runs/LAB/sweeps/<UTC>/`.
    """
    raw = [parse_raw(text) for text in overrides]
    _check(lab, raw)
    layers = Layers(lab)
    register_schema()
    extra = _extra(lab, raw)
    started = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    settings = [
        searchpath(layers),
        f"hydra.sweep.dir={quoted(lab.root / 'runs' / lab.id / 'sweeps' / started)}",
        "hydra.output_subdir=null",  # a run folder says all of it
        "hydra/job_logging=none",
    ]
    main = hydra.main(str(layers.shared), "train", version_base="1.3")
    job = _Job(lab.root, lab.id, run, tuple(extra))
    with _command_line(["--multirun", *settings, *extra, *overrides]):
        try:
            main(job)()
        except HydraException as error:
            raise LabError(
                f"the sweep cannot start: {hydra_reason(error)}",
                "check the hydra settings on the command line; is the plugin installed?",
            ) from error
    return 0


@dataclass(frozen=True)
class _Job:
    """What a launcher pickles and calls; `extra` are overrides that only Hydra needed."""

    root: Path
    lab_id: str
    run: Run
    extra: tuple[str, ...]

    def __call__(self, _config: DictConfig) -> None:
        task = list(HydraConfig.get().overrides.task)
        code = self.run(self.root, self.lab_id, [text for text in task if text not in self.extra])
        if code == STOPPED:
            raise KeyboardInterrupt  # Ctrl-C means the whole sweep


def _check(lab: Lab, raw: list[HydraOverride]) -> None:
    """Compose once for each value of each sweep, the others at their first: errors come early."""
    plain = [_values(override) for override in raw if not override.is_hydra_override()]
    first = [values[0] for values in plain]
    compose(lab, first)
    for index, values in enumerate(plain):
        for value in values[1:]:
            compose(lab, [*first[:index], value, *first[index + 1 :]])


def _values(override: HydraOverride) -> list[str]:
    """The single overrides that a sweep stands for; an open interval is tried at its start."""
    key = override.get_key_element()
    if override.is_interval_sweep():
        return [f"{key}={override.value().start}"]  # type: ignore[union-attr]
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [str(override.input_line)]


def _extra(lab: Lab, raw: list[HydraOverride]) -> list[str]:
    """What makes Hydra know an arm's keys: the arm and its overrides from lab.yaml."""
    given = {override.get_key_element().lstrip("+~") for override in raw}
    arm = next(iter(lab.spec.arms), None)
    if arm is None:
        raise LabError(f"lab {lab.number} trains nothing", "leave -m out")
    if "arm" in given:
        return []
    own = [text for text in lab.spec.arms[arm].overrides if text.partition("=")[0] not in given]
    return [f"arm={arm}", *own] if arm != "main" else own


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """hydra.main reads sys.argv, and prints errors itself unless asked to raise them."""
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["dllab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
