"""Two processes on one GPU learn what one process learns: dllab's data-parallel strategy there.

NCCL takes one rank a GPU, so the two talk through gloo, with tensors on the GPU. Lab 01, in fp32
(TF32 off) and without dropout: its network has no batch norm, so that shares of a batch give the
whole batch's gradient but for rounding. The figure is the distance between the parameters of both
trainings, in parts of the way that training has moved them.
"""

import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.gpu.harness import Plan, true_fp32
from bench.measure import Result, judged
from bench.sides.reference import reference
from dllab.training.machine import quiet_libraries
from dllab.training.strategy import DataParallel

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
import lightning as L

STEPS = 50
State = dict[str, torch.Tensor]  # a network's parameters


def fit(device: str, ranks: int, steps: int) -> State:
    """Train lab 01 for a few steps as this rank of so many; the parameters."""
    true_fp32()
    torch.set_num_threads(1)
    module, config = reference("01", overrides=["model.dropout=0"])
    L.seed_everything(0, verbose=False)
    places = [torch.device("cuda:0" if device == "cuda" else "cpu")] * ranks
    strategy = DataParallel(parallel_devices=places, process_group_backend="gloo")
    trainer = L.Trainer(
        accelerator="auto" if ranks > 1 else device,
        devices="auto" if ranks > 1 else 1,
        strategy=strategy if ranks > 1 else "auto",
        max_steps=steps,
        max_epochs=-1,
        limit_val_batches=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = module.Model(**config.model)
    trainer.fit(model, module.Data(**config.data))
    return {name: value.detach().cpu() for name, value in model.named_parameters()}


def rank(number: int, port: int, device: str, steps: int, folder: Path) -> None:
    """One of two processes."""
    quiet_libraries()
    place = {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    os.environ.update(place, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.save(fit(device, 2, steps), folder / f"{number}.pt")


def together(plan: Plan, steps: int) -> list[State]:
    """The parameters of both ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        rest = (port, plan.device, steps, Path(folder))
        processes = [spawn.Process(target=rank, args=(number, *rest)) for number in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            raise SystemExit("a rank failed, see above")
        return [torch.load(Path(folder) / f"{number}.pt") for number in range(2)]


def distance(a: State, b: State) -> float:
    """Euclid's, over all parameters."""
    parts = [(a[name].double() - b[name].double()).square().sum() for name in a]
    return float(torch.stack(parts).sum().sqrt())


def measure(plan: Plan) -> Iterator[Result]:
    """One process, then two."""
    quiet_libraries()
    steps = plan.size(STEPS, 3)
    begin, alone = fit(plan.device, 1, 0), fit(plan.device, 1, steps)
    first, second = together(plan, steps)
    way, apart = distance(alone, begin), distance(first, second)
    why = f"{steps} steps of lab 01 through gloo; from rank to rank {apart:.2g}"
    yield judged("G6-ranks", [1e6 * distance(alone, first) / way], why)
