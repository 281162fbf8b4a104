"""Where the curves go: always to curve.jsonl, and to the trackers that the config names."""

import csv
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL.Image import Image

from dllab.config.schema import Config
from dllab.errors import LabError, require
from dllab.report.mistakes import read_mistakes
from dllab.rundir.run import ArmFolder


class CurveLogger(Logger):
    """Appends one JSON object a line; Lightning calls `save` after each.

    A resumed run drops the points past its checkpoint, so that no step stands there twice.
    """

    def __init__(self, folder: ArmFolder, *, spreadsheet: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._path = folder.curve
        self._spreadsheet = spreadsheet
        self._lines: list[str] = []
        self._newest = ""

    @property
    def name(self) -> str:
        """The arm."""
        return self._folder.name

    @property
    def version(self) -> str:
        """One curve per arm."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *_args: Any, **_kwargs: Any) -> None:
        """The config is in config.yaml already."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep one point, once; numbers are rounded to 8 significant digits."""
        values = {name: float(f"{value:.8g}") for name, value in metrics.items()}
        epoch = int(values.pop("epoch", 0))
        line = json.dumps({"step": int(step or 0), "epoch": epoch, **values})
        if line != self._newest:
            self._newest = line
            self._lines.append(line)

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Drop what an interrupted run wrote past the checkpoint it resumes from."""
        if self._path.is_file():
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [
                line for line in lines if line.endswith("\n") and json.loads(line)["step"] < step
            ]
            self._path.write_text("".join(kept), encoding="utf-8")

    @rank_zero_only
    def save(self) -> None:
        """Write the points kept so far."""
        if self._lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self._lines)
            self._lines.clear()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the rest, whatever the `status`, and the same points as curve.csv if asked."""
        self.save()
        if self._spreadsheet:
            points = self._folder.read_curve()
            columns = list(dict.fromkeys(name for point in points for name in point))
            with self._path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(points)


def trackers(folder: ArmFolder, config: Config) -> list[Logger]:
    """What the config names beside the curve; each shows the run under the run card's id."""
    makers = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}
    wanted = [name for name in config.logger if name != "csv"]
    if "wandb" in wanted and _wandb_mode(config) == "disabled":
        wanted.remove("wandb")
    if unknown := [name for name in wanted if name not in makers]:
        raise LabError(
            f"logger={unknown[0]} is none of csv, {', '.join(makers)}", "choose of these"
        )
    return [makers[name](folder, config) for name in wanted]


def _tensorboard(folder: ArmFolder, config: Config) -> Logger:
    """Event files in `tensorboard/RUN`: the last folder is the name that TensorBoard shows."""
    require("tensorboard", "tensorboard", "logger=tensorboard")
    logger = TensorBoardLogger(folder.path, name="tensorboard", version=folder.run_id)
    logger.log_hyperparams(config.plain())
    return logger


def _wandb(folder: ArmFolder, config: Config) -> Logger:
    """Offline unless the person asks for more; `wandb sync` uploads later."""
    require("wandb", "wandb", "logger=wandb")
    from wandb import Settings, api, termsetup

    offline = _wandb_mode(config) != "online"
    if not offline and not api.api_key:
        raise LabError(
            "wandb.mode=online, and nobody is logged in to Weights & Biases here",
            "wandb login, or wandb.mode=offline and `wandb sync` later",
        )
    quiet = Settings(silent=True)
    # At once: wandb warns of what Lightning hands it while it sets itself up.
    termsetup(quiet, None)
    return WandbLogger(
        name=folder.run_id,
        id=f"{folder.run_id}-{folder.name}",  # a resumed run goes on with the same curve
        job_type=folder.name,
        group=config.lab,
        project=config.wandb.project,
        entity=config.wandb.entity,
        save_dir=folder.path,
        offline=offline,
        config=config.plain(),
        settings=quiet,
    )


def _wandb_mode(config: Config) -> str:
    """What the environment says goes before the config."""
    return os.environ.get("WANDB_MODE", config.wandb.mode)


def _mlflow(folder: ArmFolder, config: Config) -> Logger:
    """One store for all runs of the project, a database and a folder: MLflow compares within one.

    Its pages are another package's: `uvx mlflow ui --backend-store-uri sqlite:///runs/mlflow/runs.db`
    """
    require("mlflow", "mlflow", "logger=mlflow")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # for its import, which sets levels
    logging.getLogger("lightning.pytorch.loggers.mlflow").setLevel(logging.ERROR)
    # MLflow 3.17 with SQLAlchemy 2.1.
    warnings.filterwarnings("ignore", message=r"The ``noload`` loader strategy is deprecated")
    store = folder.path.parents[3] / "mlflow"
    store.mkdir(exist_ok=True)
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'runs.db'}")
    logger = MLFlowLogger(
        experiment_name=config.lab,
        run_name=folder.run_id,
        run_id=_begun_in_mlflow(uri, folder, config),
        tracking_uri=uri,
        artifact_location=(store / "files").as_uri(),
        tags={"arm": folder.name},
    )
    logger.log_hyperparams(config.plain())
    return logger


def _begun_in_mlflow(uri: str, folder: ArmFolder, config: Config) -> str | None:
    """The id that MLflow has given to this arm, where the run is a resumed one."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    if (lab := client.get_experiment_by_name(config.lab)) is None:
        return None
    wanted = f"attributes.run_name = '{folder.run_id}' and tags.arm = '{folder.name}'"
    found = client.search_runs([lab.experiment_id], wanted, max_results=1)
    return str(found[0].info.run_id) if found else None


def finish_trackers(loggers: Sequence[Logger], folder: ArmFolder, set_name: str) -> None:
    """Show what the arm got wrong on the validation split, as report.html does, and end the run.

    A tracker that is none of ours (the curve) is left alone. The next arm begins a run of its own.
    Without matplotlib, which draws them, there are no pictures.
    """
    kinds = TensorBoardLogger | WandbLogger | MLFlowLogger
    trackers = [one for one in loggers if isinstance(one, kinds)]
    mistakes = read_mistakes(folder, set_name) if trackers else None
    pictures = {}
    if mistakes and find_spec("matplotlib"):
        from dllab.report.pictures import draw_mistakes

        pictures = draw_mistakes(mistakes)
    for tracker in trackers:
        for name, picture in pictures.items():
            _show(tracker, name, picture)
        if isinstance(tracker, WandbLogger):
            tracker.experiment.finish()
        elif isinstance(tracker, TensorBoardLogger):
            tracker.experiment.close()


def _show(tracker: Logger, name: str, picture: Image) -> None:
    if isinstance(tracker, WandbLogger):
        tracker.log_image(name, [picture])
    elif isinstance(tracker, TensorBoardLogger):
        tracker.experiment.add_image(name, np.asarray(picture), dataformats="HWC")
    elif isinstance(tracker, MLFlowLogger):
        tracker.experiment.log_image(tracker.run_id, picture, f"{name}.png")
