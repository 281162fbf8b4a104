"""In-memory loaders: a batch is a slice of whole tensors, not a list of items to collate.

    loader = BatchLoader({"image": x, "label": y}, 128, shuffle=True, seed=0).to("cuda")
    for batch in loader:            # {"image": [128, …], "label": [128]}
        ...

Both loaders are iterables that a DataLoader's users know (`len`, `set_epoch`), and checkpoints of
Lightning save and restore their place in the middle of an epoch (`state_dict`). The order of an
epoch depends on the seed and the number of the epoch alone, so a resumed run sees exactly the
batches that were left.

Several processes: each rank takes a disjoint share, together they hold every item once, and all
ranks see the same number of batches, so none waits for another. Shares differ by one item at most;
where that would cost a rank one more batch, its last batch holds one item more instead.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor

Batch = dict[str, Tensor]
Transform = Callable[[Batch], Batch]


class EpochLoader(ABC):
    """The place in the data: an epoch, and the number of its batches handed out already.

    Passing over the loader again starts the next epoch, an abandoned one counts as passed. After
    `load_state_dict` the next pass hands out what was left.
    """

    batch_sampler = None  # Lightning asks for it wherever it finds a `sampler`
    batch_size: int
    rank: int
    world_size: int

    def __init__(self, seed: int, transform: Transform | None) -> None:
        self.seed = seed
        self.transform = transform
        self.epoch = 0
        self.position = 0
        self._resuming = False

    @abstractmethod
    def __len__(self) -> int:
        """The number of batches in an epoch."""

    @abstractmethod
    def _batches(self, start: int) -> Iterator[Batch]:
        """The batches of this epoch from number `start` on, before the transform."""

    def __iter__(self) -> Iterator[Batch]:
        """Hand out the batches of the next epoch, or those left after `load_state_dict`."""
        if self.position and not (self._resuming and self.position < len(self)):
            self.set_epoch(self.epoch + 1)
        self._resuming = False
        # Counted before it is handed out: Lightning saves while it holds the last batch.
        left = enumerate(self._batches(self.position), start=self.position + 1)
        for self.position, batch in left:
            yield batch if self.transform is None else self._transformed(batch)

    def set_epoch(self, epoch: int) -> None:
        """Start at the beginning of `epoch`; a place just restored within it is kept."""
        if epoch != self.epoch or not self._resuming:
            self.epoch, self.position, self._resuming = epoch, 0, False

    def shard(self, rank: int, world_size: int) -> None:
        """Take one process's share of what was built for one process alone.

        Until now `batch_size` was the whole batch; from here on it is this rank's part of it, and
        together the ranks see, batch by batch, the very items that one process would see. A loader
        that was built for its rank is left as it is, and so is one that has been shared out.
        """
        if self.world_size == 1:
            self.rank, self.world_size = rank, world_size
            self.batch_size = -(-self.batch_size // world_size)

    @property
    def sampler(self) -> Self:
        """The loader itself: Lightning announces each epoch to `loader.sampler.set_epoch`."""
        return self

    def state_dict(self) -> dict[str, int]:
        """The place, to be saved with a checkpoint."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a saved place, in the order that its seed gave."""
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._resuming = True

    def _epoch_seed(self, *more: int) -> int:
        """One number for seed, epoch and whatever else; neighbours give unrelated numbers."""
        return place_seed(self.seed, self.epoch, *more)

    def _transformed(self, batch: Batch) -> Batch:
        """Apply the transform with random numbers of its own, the same after a resume."""
        assert self.transform is not None
        devices = {value.device for value in batch.values()}
        with seeded(self._epoch_seed(self.position), *devices):
            return self.transform(batch)


class BatchLoader(EpochLoader):
    """Batches of whole tensors that share their first dimension.

    Tensors named in `shared` (a graph's edges) belong to all items: each batch holds them whole.
    `transform` takes and returns a batch: a function, or a transform of torchvision.transforms.v2
    (which draws its random numbers once per batch). `drop_last` leaves out a short last batch.
    `rank` and `world_size` choose this process's share; see the module's docstring.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        transform: Transform | None = None,
        drop_last: bool = False,
        shared: Collection[str] = (),
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(seed, transform)
        self.tensors = dict(tensors)
        self.shared = frozenset(shared)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
        self.items = _common_length(self.tensors, self.shared)
        _check_place(batch_size, rank, world_size, self.items)

    def __len__(self) -> int:
        """The number of batches, the same on every rank."""
        smallest_share = self.items // self.world_size
        return (smallest_share if self.drop_last else smallest_share + self.batch_size - 1) // (
            self.batch_size
        )

    def to(self, device: torch.device | str) -> Self:
        """Move the whole set to a device, once; batches then come from there."""
        self.tensors = {name: value.to(device) for name, value in self.tensors.items()}
        return self

    def _batches(self, start: int) -> Iterator[Batch]:
        share = self._share()
        for number in range(start, len(self)):
            first = number * self.batch_size
            last = number == len(self) - 1 and not self.drop_last
            span = slice(first, None if last else first + self.batch_size)
            chosen = span if share is None else share[span]
            yield {
                name: value if name in self.shared else value[chosen]
                for name, value in self.tensors.items()
            }

    def _share(self) -> Tensor | None:
        """This rank's items in the order of this epoch; None stands for all in their own order."""
        if not self.shuffle and self.world_size == 1:
            return None
        order = torch.arange(self.items)
        if self.shuffle:
            generator = torch.Generator().manual_seed(self._epoch_seed())
            order = torch.randperm(self.items, generator=generator)
        device = next(iter(self.tensors.values())).device
        return order[self.rank :: self.world_size].to(device)


class StreamLoader(EpochLoader):
    """Chunks of a token stream, one after the other, for truncated back-propagation through time.

    The stream int64 `[N]` is laid out in `batch_size` lanes. Every batch holds the next `steps`
    tokens of each lane and the one after: `tokens` `[batch_size, steps + 1]`, so that
    `tokens[:, :-1]` predicts `tokens[:, 1:]`. Lane i of a batch goes on where lane i of the batch
    before ended: carry the state over. `start`, a bool `[]`, says that nothing came before.

    With `shuffle` each epoch begins at another token (less than `steps` in), so that chunks are cut
    at other places. Several processes divide the lanes; tokens that fill no chunk are left out.
    """

    def __init__(
        self,
        stream: Tensor,
        batch_size: int,
        steps: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        transform: Transform | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(seed, transform)
        _check_place(batch_size, rank, world_size, len(stream))
        self.stream = stream
        self.batch_size = batch_size
        self.steps = steps
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        if len(self) < 1:
            raise ValueError(f"{len(stream)} tokens fill no batch of {batch_size} x {steps} steps")

    def __len__(self) -> int:
        """The number of batches, the same in every epoch and on every rank."""
        spare = self.steps if self.shuffle else 1  # room for the largest offset, and one target
        return (len(self.stream) - spare) // (self.batch_size * self.world_size * self.steps)

    def to(self, device: torch.device | str) -> Self:
        """Move the stream to a device, once; batches then come from there."""
        self.stream = self.stream.to(device)
        return self

    def _batches(self, start: int) -> Iterator[Batch]:
        lane = len(self) * self.steps
        offset = self._epoch_seed() % self.steps if self.shuffle else 0
        offset += self.rank * self.batch_size * lane
        lanes = self.stream[offset : offset + self.batch_size * lane + 1]
        rows = lanes.unfold(0, lane + 1, lane)  # each row ends with the first token of the next
        for number in range(start, len(self)):
            first = number * self.steps
            tokens = rows[:, first : first + self.steps + 1].contiguous()
            yield {"tokens": tokens, "start": torch.tensor(number == 0, device=tokens.device)}


def place_seed(*place: int) -> int:
    """One number for seed, epoch and whatever else; neighbours give unrelated numbers."""
    return random.Random(f"{place}").getrandbits(63)  # noqa: S311 - not a secret


@contextmanager
def seeded(seed: int, *devices: torch.device) -> Iterator[None]:
    """Draw PyTorch's random numbers from `seed` for a while; others go on as if nothing were."""
    cuda = [device.index for device in devices if device.type == "cuda"]
    with torch.random.fork_rng(devices=cuda):
        seed_generators(seed, *devices)
        yield


def seed_generators(seed: int, *devices: torch.device) -> None:
    """Seed the processor's generator and those of `devices`, with the numbers of torch.manual_seed.

    That one formats a stack trace for every kind of device that is not in use, at 0.6 ms a call:
    more than a small network's step.
    """
    torch.default_generator.manual_seed(seed)
    for device in devices:
        if device.type in ("cuda", "mps", "xpu"):
            torch.get_device_module(device).manual_seed(seed)


def _common_length(tensors: Mapping[str, Tensor], shared: Collection[str]) -> int:
    lengths = {name: len(value) for name, value in tensors.items() if name not in shared}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"all tensors need the same number of items, got {lengths}")
    return next(iter(lengths.values()))


def _check_place(batch_size: int, rank: int, world_size: int, items: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be from 0 to world_size - 1 = {world_size - 1}, got {rank}")
    if items < world_size:
        raise ValueError(f"{items} items cannot be shared by {world_size} processes")
