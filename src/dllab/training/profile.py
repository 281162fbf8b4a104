"""`trainer.profile=true` or `debug=profile`: where the time of a training step goes."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.profiler import ProfilerActivity, profile, schedule

from dllab.rundir.run import ArmFolder

WAIT, WARMUP, STEPS = 3, 2, 20  # first steps allocate and compile: they are not typical


class Profile(Callback):
    """Records `STEPS` training steps into `profile/`: a trace to look at, and a top ten to read.

    The trace opens in https://ui.perfetto.dev or chrome://tracing.
    """

    def __init__(self, folder: ArmFolder) -> None:
        self._folder = folder
        self._profiler: profile | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Rank 0 speaks for all."""
        if not trainer.is_global_zero:
            return
        kinds = [ProfilerActivity.CPU]
        if pl_module.device.type == "cuda":
            kinds.append(ProfilerActivity.CUDA)
        rhythm = schedule(wait=WAIT, warmup=WARMUP, active=STEPS, repeat=1)
        self._profiler = profile(activities=kinds, schedule=rhythm, on_trace_ready=self._write)
        self._profiler.start()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One step is over."""
        if self._profiler is not None:
            self._profiler.step()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what there is, should the training have been shorter than the rhythm."""
        if self._profiler is not None:
            self._profiler.stop()

    def _write(self, profiler: profile) -> None:
        self._folder.profile.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(self._folder.profile / "trace.json"))
        where = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = profiler.key_averages().table(
            sort_by=where, row_limit=10, max_name_column_width=40, top_level_events_only=False
        )
        (self._folder.profile / "top10.txt").write_text(table, encoding="utf-8")
        print(f"{table}\nprofile of {STEPS} steps: {self._folder.profile}", flush=True)
