"""The story of a run: config → data → model → Lightning Trainer → run folder."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dllab.config.compose import compose
from dllab.config.schema import Config
from dllab.errors import LabError
from dllab.lab.code import Implementation, choose_impl
from dllab.lab.find import Lab, find_lab
from dllab.rundir.run import ArmFolder, RunFolder, write_text
from dllab.training.card import RunCard, Summary
from dllab.training.hardware import require_hardware
from dllab.training.machine import agree_on_run, is_main_process, settle_threads, started_by

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

Say = Callable[[str], None]


def train(
    root: Path,
    lab: Lab,
    overrides: Sequence[str] = (),
    *,
    say: Say = print,
    watchers: Sequence["Callback"] = (),
) -> RunFolder:
    """Train every arm of a lab (or the one that `arm=NAME` picks) into a new run folder.

    `watchers` are callbacks beside dllab's own; several processes get copies, made by pickle.
    """
    configs = compose(lab, list(overrides))
    require_hardware(configs)
    impl = choose_impl(lab, _wanted_impl(configs, overrides))
    if impl.because_untouched and is_main_process():
        say(
            f"{lab.code.relative_to(lab.folder.parent.parent)} is still the untouched starter: "
            "this run shows the reference solution, and cannot be submitted as yours."
        )
    for config in configs.values():
        settle_threads(config)
    agree_on_run()
    run = RunFolder.create(root, lab.id)
    if is_main_process():
        shutil.copyfile(impl.path, run.code)
        if impl.kind == "mine":
            run.take_files(lab)
        plain = {name: config.plain() for name, config in configs.items()}
        content = {"lab": lab.id, "impl": impl.kind, "overrides": list(overrides), "arms": plain}
        write_text(run.config, yaml.safe_dump(content, sort_keys=False))
    return _train_arms(run, lab, impl, configs, say, watchers=watchers)


def resume(
    root: Path, run: RunFolder, overrides: Sequence[str] = (), *, say: Say = print
) -> RunFolder:
    """Go on where a run stopped, with its own config and its own copy of the code.

    On the same hardware and thread count the final weights equal an uninterrupted run's, bit for
    bit: every random number is derived from seed, rank and step. Overrides that lengthen the run
    (`trainer.max_epochs=40`) make a new run, which begins with this one's state.
    """
    content = run.read_config()
    if not content or not run.code.is_file():
        raise LabError(f"{run.path} holds no run to resume", "dllab runs lists those that can be")
    lab = find_lab(root, content["lab"])
    if overrides:
        from dllab.training.further import go_further

        run = go_further(root, run, overrides)
        content = run.read_config()
    configs = {name: Config.from_plain(plain) for name, plain in content["arms"].items()}
    require_hardware(configs)
    return _train_arms(
        run, lab, Implementation(content["impl"], run.code), configs, say, resuming=True
    )


def _wanted_impl(configs: dict[str, Config], overrides: Sequence[str]) -> str:
    """Which code shall run. A lab without arms has no config, but `impl=` may still be said."""
    said = [word.removeprefix("impl=") for word in overrides if word.startswith("impl=")]
    return next((config.impl for config in configs.values()), said[-1] if said else "auto")


def _train_arms(
    run: RunFolder,
    lab: Lab,
    impl: Implementation,
    configs: dict[str, Config],
    say: Say,
    *,
    resuming: bool = False,
    watchers: Sequence["Callback"] = (),
) -> RunFolder:
    with RunCard(run, lab, impl, configs) as card:
        for name, config in configs.items():
            if card.finished(name):
                say(f"arm {name} is finished already")
                continue
            if len(configs) > 1 and is_main_process():
                say(f"arm {name}")
            with card.arm(name):
                summary = _train_arm(
                    run.arm(name), lab, impl, config, resuming=resuming, watchers=watchers
                )
                card.record(name, {**summary, "finished": True})
        if lab.spec.artifacts and is_main_process():
            from dllab.training.artifacts import write_artifacts

            write_artifacts(run, lab, impl, configs)
    return run


def _train_arm(
    folder: ArmFolder,
    lab: Lab,
    impl: Implementation,
    config: Config,
    *,
    resuming: bool,
    watchers: Sequence["Callback"],
) -> Summary:
    """In this process, or by one for each device, unless somebody has started those already."""
    if config.trainer.devices > 1 and config.trainer.accelerator != "tpu" and not started_by():
        from dllab.training.spread import spread_arm

        return spread_arm(folder, lab, impl, config, resuming=resuming, watchers=watchers)
    from dllab.training.arm import train_arm
    from dllab.training.hangs import LongCall

    with LongCall(impl.path):
        return train_arm(folder, lab, impl, config, resuming=resuming, watchers=watchers)
