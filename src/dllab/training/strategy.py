"""How a training spreads over processes: Lightning's strategies, with exact shares and means.

`data.batch_size` is the batch of all devices together. Each process takes its share of every batch,
so the same learning rate fits any number of them: the gradient stays a mean over the same items.
Whoever raises the batch by k for the sake of speed raises the rate too, by k for SGD (Goyal et al.,
2017, with some steps of warm-up), by √k for Adam.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, ParallelStrategy
from torch import Tensor, nn

from dllab.config.schema import TrainerConfig
from dllab.data.loader import EpochLoader


class _Exact(ParallelStrategy):
    """Every item is counted once, and counts stay exact."""

    def process_dataloader(self, dataloader: object) -> object:
        """Give a loader of dllab.data this process's share, before anyone asks for its length."""
        if isinstance(dataloader, EpochLoader):
            dataloader.shard(self.global_rank, self.world_size)
        return dataloader

    def reduce(self, tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        """As Lightning does, but the mean of whole numbers need not be one.

        Lightning would make 1000 of (1001 + 1000) / 2, and divides every logged mean by such a
        number of items.
        """
        whole = isinstance(tensor, Tensor) and not tensor.is_floating_point()
        if whole and reduce_op in ("mean", "avg"):
            tensor = tensor.double()
        return super().reduce(tensor, group, reduce_op)  # type: ignore[safe-super]

    def on_validation_start(self) -> None:
        """Validate one model: rank 0's running statistics are those that a checkpoint keeps."""
        assert self.lightning_module is not None
        for buffer in self.lightning_module.buffers():
            torch.distributed.broadcast(buffer, src=0)


class DataParallel(_Exact, DDPStrategy):
    """A replica on each device; gradients are averaged."""

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """Past the DDP wrapper, which before each batch overwrites all buffers with rank 0's.

        A lab that counts in a buffer would lose the counts of all other ranks.
        """
        assert self.lightning_module is not None
        with self.precision_plugin.val_step_context():
            return self.lightning_module.validation_step(*args, **kwargs)


class Sharded(_Exact, ModelParallelStrategy):
    """Parameters, gradients and optimiser state are split over the devices (FSDP2).

    Checkpoints are whole, gathered and written by rank 0: they resume on any number of devices.
    """


def make_strategy(trainer: TrainerConfig) -> ParallelStrategy | str:
    """What Lightning's Trainer gets as `strategy`."""
    world_size = trainer.devices * trainer.num_nodes
    if trainer.accelerator == "tpu" or (trainer.strategy == "auto" and world_size == 1):
        return "auto"
    if trainer.strategy == "fsdp":
        return Sharded(
            data_parallel_size=world_size,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
        )
    unused = trainer.strategy == "ddp_find_unused_parameters_true"
    return DataParallel(find_unused_parameters=unused)


def prepare(model: LightningModule, trainer: TrainerConfig) -> None:
    """Compile and shard as the config says; a lab's code knows of neither."""
    if trainer.compile:
        # Not the module itself: self.log inside of training_step cannot be compiled. The method,
        # so that the weights keep their names. (Module.compile would leave out a Sequential's own
        # forward, and so compile each of its layers by itself.)
        for part in model.children():
            if any(True for _ in part.parameters()):
                setattr(part, "forward", torch.compile(part.forward))  # noqa: B010
    if trainer.strategy == "fsdp":
        # Lightning calls configure_model once the processes know each other. On this instance
        # only: a class of the learner's own stays untouched.
        setattr(model, "configure_model", lambda: _shard(model))  # noqa: B010


def _shard(model: LightningModule) -> None:
    """Split each block by itself, then what is left over, as one group with the module itself."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    assert model.device_mesh is not None
    mesh = model.device_mesh["data_parallel"]
    for block in _blocks(model):
        if any(True for _ in block.parameters()):
            fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for step in ("training_step", "validation_step"):
        register_fsdp_forward_method(model, step)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of the outermost Sequentials and ModuleLists, which are called one by one."""
    for child in module.children():
        yield from child if isinstance(child, nn.Sequential | nn.ModuleList) else _blocks(child)
