"""The loaders: every item once, in an order that can be repeated, shared and resumed."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dllab.data import BatchLoader, StreamLoader

ITEMS = 103


def numbered(items: int = ITEMS) -> dict[str, Tensor]:
    return {"image": torch.arange(items * 4).reshape(items, 1, 2, 2), "label": torch.arange(items)}


def labels(loader: BatchLoader) -> list[list[int]]:
    return [batch["label"].tolist() for batch in loader]


def flat(batches: list[list[int]]) -> list[int]:
    return [label for batch in batches for label in batch]


def test_batches_are_slices_of_whole_tensors() -> None:
    batches = list(BatchLoader(numbered(), 10))
    assert [len(batch["label"]) for batch in batches] == [10] * 10 + [3]
    assert batches[0]["image"].shape == (10, 1, 2, 2)
    assert torch.equal(torch.cat([batch["image"] for batch in batches]), numbered()["image"])


def test_drop_last_leaves_out_the_short_batch() -> None:
    loader = BatchLoader(numbered(), 10, drop_last=True)
    assert [len(batch) for batch in labels(loader)] == [10] * 10
    assert len(loader) == 10


def test_what_all_items_share_is_in_every_batch_whole() -> None:
    graph = {"node": torch.arange(10), "edges": torch.arange(6).reshape(2, 3)}
    loader = BatchLoader(graph, 4, shuffle=True, shared=("edges",))
    batches = list(loader)
    assert [len(batch["node"]) for batch in batches] == [4, 4, 2]
    assert all(torch.equal(batch["edges"], graph["edges"]) for batch in batches)
    with pytest.raises(ValueError, match="the same number of items"):
        BatchLoader(graph, 4)


def test_shuffling_is_new_in_each_epoch_and_the_same_for_each_seed() -> None:
    loader, again = (BatchLoader(numbered(), 10, shuffle=True, seed=3) for _ in range(2))
    first, second = flat(labels(loader)), flat(labels(loader))
    assert sorted(first) == sorted(second) == list(range(ITEMS))
    assert first != second
    assert [flat(labels(again)), flat(labels(again))] == [first, second]
    assert flat(labels(BatchLoader(numbered(), 10, shuffle=True, seed=4))) != first


def test_set_epoch_chooses_the_order() -> None:
    loader, other = (BatchLoader(numbered(), 10, shuffle=True) for _ in range(2))
    epochs = [labels(loader) for _ in range(3)]
    other.set_epoch(2)
    assert labels(other) == epochs[2]
    other.set_epoch(2)
    assert labels(other) == epochs[2]


def test_an_abandoned_epoch_is_over() -> None:
    loader, whole = (BatchLoader(numbered(), 10, shuffle=True) for _ in range(2))
    next(iter(loader))
    labels(whole)
    assert labels(loader) == labels(whole)


@pytest.mark.parametrize("taken", [1, 5, 10])
def test_a_restored_place_yields_exactly_what_was_left(taken: int) -> None:
    loader, resumed = (BatchLoader(numbered(), 10, shuffle=True, seed=s) for s in (1, 2))
    labels(loader)
    iterator = iter(loader)
    for _ in range(taken):
        next(iterator)
    resumed.load_state_dict(loader.state_dict())
    assert labels(resumed) == [batch["label"].tolist() for batch in iterator]
    assert labels(resumed) == labels(loader), "and the next epoch is the same too"


def test_a_place_at_the_end_goes_on_with_the_next_epoch() -> None:
    loader, resumed = (BatchLoader(numbered(), 10, shuffle=True) for _ in range(2))
    labels(loader)
    resumed.load_state_dict(loader.state_dict())
    assert labels(resumed) == labels(loader)


@pytest.mark.parametrize("items", [40, 41, 43, 81])
@pytest.mark.parametrize("shuffle", [True, False])
def test_shards_are_disjoint_complete_and_of_equal_length(items: int, shuffle: bool) -> None:
    shards = [
        BatchLoader(numbered(items), 10, shuffle=shuffle, rank=rank, world_size=4)
        for rank in range(4)
    ]
    batches = [labels(shard) for shard in shards]
    assert sorted(label for shard in batches for label in flat(shard)) == list(range(items))
    assert {len(shard) for shard in batches} == {len(shards[0])}, "no rank waits for another"
    assert all(0 < len(batch) <= 11 for shard in batches for batch in shard)


def test_shards_with_drop_last_hold_full_batches_only() -> None:
    shards = [BatchLoader(numbered(), 10, drop_last=True, rank=r, world_size=2) for r in range(2)]
    assert [[len(batch) for batch in labels(shard)] for shard in shards] == [[10] * 5] * 2


def test_a_transform_takes_the_batch_and_its_chance_survives_a_resume() -> None:
    def jitter(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**batch, "image": batch["image"] + torch.rand(len(batch["image"]), 1, 1, 1)}

    loader, resumed = (BatchLoader(numbered(), 10, seed=5, transform=jitter) for _ in range(2))
    before = torch.get_rng_state()
    whole = [batch["image"] for batch in loader]
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers are its own"
    assert not torch.equal(whole[0] % 1, whole[1] % 1)
    resumed.load_state_dict({"seed": 5, "epoch": 0, "position": 7})
    assert all(torch.equal(a["image"], b) for a, b in zip(resumed, whole[7:], strict=True))


def test_torchvision_transforms_work_on_batches() -> None:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    tensors = {
        "image": torch.randint(0, 256, (6, 1, 4, 4), dtype=torch.uint8),
        "label": torch.arange(6),
    }
    to_float = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])])
    batch = next(iter(BatchLoader(tensors, 6, transform=to_float)))
    assert torch.allclose(batch["image"], tensors["image"] / 127.5 - 1, atol=1e-6)
    assert torch.equal(batch["label"], tensors["label"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1, "rank": 2, "world_size": 2}, "rank must be from 0"),
        ({"batch_size": 1, "world_size": 200}, "cannot be shared"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchLoader(numbered(), **arguments)


def test_tensors_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of items"):
        BatchLoader({"image": torch.zeros(3), "label": torch.zeros(4)}, 1)


def test_stream_lanes_go_on_from_batch_to_batch() -> None:
    stream = torch.arange(1000)
    batches = list(StreamLoader(stream, 4, 10))
    assert len(batches) == len(StreamLoader(stream, 4, 10)) == 24
    assert all(batch["tokens"].shape == (4, 11) for batch in batches)
    assert [bool(batch["start"]) for batch in batches] == [True] + [False] * 23
    for before, after in pairwise(batches):
        assert torch.equal(before["tokens"][:, -1], after["tokens"][:, 0])
    inputs = torch.cat([batch["tokens"][:, :-1] for batch in batches], dim=1)
    assert torch.equal(inputs.flatten(), torch.arange(960)), "lanes lie end to end"


def test_a_shuffled_stream_is_cut_at_other_places_in_each_epoch() -> None:
    loader = StreamLoader(torch.arange(1000), 4, 10, shuffle=True, seed=1)
    starts = [int(list(loader)[0]["tokens"][0, 0]) for _ in range(8)]  # noqa: RUF015 - whole epochs
    assert len(set(starts)) > 1
    assert all(0 <= start < 10 for start in starts)


def test_a_stream_resumes_and_is_shared() -> None:
    stream = torch.arange(1000)
    loader, resumed = (StreamLoader(stream, 2, 10, shuffle=True, seed=1) for _ in range(2))
    iterator = iter(loader)
    next(iterator)
    resumed.load_state_dict(loader.state_dict())
    left = [batch["tokens"] for batch in iterator]
    assert all(torch.equal(a["tokens"], b) for a, b in zip(resumed, left, strict=True))
    shards = [StreamLoader(stream, 2, 10, rank=rank, world_size=2) for rank in range(2)]
    seen = [torch.cat([b["tokens"][:, :-1] for b in shard], dim=1).flatten() for shard in shards]
    assert torch.equal(torch.cat(seen), torch.arange(len(seen[0]) * 2))


def test_a_stream_too_short_for_one_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="fill no batch"):
        StreamLoader(torch.arange(40), 4, 10)


# ---- inside Lightning's Trainer -------------------------------------------------------------


# Lightning 2.6 still asks torch's pytree in the way that torch 2.13 deprecates.
lightning_warnings = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def fit(
    folder: Path, *, save_at: int | None = None, resume: Path | None = None, **options: Any
) -> list[list[int]]:
    """Train for two epochs of 11 batches; return the labels seen, batch by batch."""
    import lightning

    seen: list[list[int]] = []

    class Recorder(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def training_step(self, batch: dict[str, Tensor]) -> Tensor:
            seen.append(batch["label"].tolist())
            return self.layer(batch["image"].float().flatten(1)).mean()

        def validation_step(self, batch: dict[str, Tensor]) -> None:
            pass

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    class SaveAt(lightning.Callback):
        def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
            if trainer.global_step == save_at:
                trainer.save_checkpoint(folder / "step.ckpt")

        def on_train_epoch_end(self, trainer: lightning.Trainer, *_: object) -> None:
            trainer.save_checkpoint(folder / f"epoch{trainer.current_epoch}.ckpt")

        def on_validation_end(self, trainer: lightning.Trainer, *_: object) -> None:
            if not trainer.sanity_checking:
                trainer.save_checkpoint(folder / f"validated{trainer.global_step}.ckpt")

    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SaveAt()],
        default_root_dir=folder,
        **options,
    )
    train = BatchLoader(numbered(), 10, shuffle=True, seed=7)
    trainer.fit(Recorder(), train, BatchLoader(numbered(20), 10), ckpt_path=resume)
    return seen


@pytest.mark.slow
@lightning_warnings
@pytest.mark.parametrize("step", [1, 4, 10, 11, 12, 21])
def test_lightning_resumes_in_mid_epoch_with_exactly_the_batches_left(
    tmp_path: Path, step: int
) -> None:
    whole = fit(tmp_path, save_at=step)
    assert len(whole) == 22
    assert sorted(flat(whole[:11])) == sorted(flat(whole[11:])) == list(range(ITEMS))
    assert fit(tmp_path, resume=tmp_path / "step.ckpt") == whole[step:]


@pytest.mark.slow
@lightning_warnings
@pytest.mark.parametrize(
    ("name", "step", "options"),
    [
        ("epoch0", 11, {}),
        ("validated11", 11, {}),
        ("validated5", 5, {"val_check_interval": 5}),
        ("epoch0", 6, {"limit_train_batches": 6}),
    ],
)
def test_lightning_resumes_after_an_epoch_or_a_validation(
    tmp_path: Path, name: str, step: int, options: dict[str, Any]
) -> None:
    whole = fit(tmp_path, **options)
    resumed = fit(tmp_path, resume=tmp_path / f"{name}.ckpt", **options)
    assert resumed == whole[step:]


@pytest.mark.slow
@lightning_warnings
def test_a_lightning_epoch_is_the_loaders_epoch(tmp_path: Path) -> None:
    whole = fit(tmp_path)
    loader = BatchLoader(numbered(), 10, shuffle=True, seed=7)
    assert labels(loader) + labels(loader) == whole
