"""What must not grow is counted: clocks differ from machine to machine, counts do not."""

import resource
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode
from training_lab import Here, Project

from dllab.data import BatchLoader
from dllab.data.loader import seed_generators
from dllab.training.checkpoints import CheckpointFile
from dllab.training.together import Together


class Operations(TorchDispatchMode):
    """Counts what torch computes, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


class Audit:
    """Counts what Python reports of a stretch of code: files opened, programs started, forks."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.on = False
        sys.addaudithook(self._hear)  # there is no way to take a hook back

    def _hear(self, event: str, _: object) -> None:
        if self.on and event in ("open", "subprocess.Popen", "os.fork", "import"):
            self.count[event] += 1

    def __enter__(self) -> Self:
        self.count, self.on = Counter(), True
        return self

    def __exit__(self, *_: object) -> None:
        self.on = False


@pytest.fixture
def stack_traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for each stack trace that is put into words."""
    written: list[str] = []
    words = traceback.format_stack
    monkeypatch.setattr(traceback, "format_stack", lambda *a: written.append("one") or words(*a))
    return written


def draws() -> Iterator[torch.Tensor]:
    yield from (torch.rand(3), torch.randint(9, (3,)), torch.nn.functional.dropout(torch.ones(9)))


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_seeds_are_those_of_torch_without_its_stack_traces(
    seed: int, stack_traces: list[str]
) -> None:
    torch.manual_seed(seed)
    theirs = list(draws())
    stack_traces.clear()
    seed_generators(seed, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(draws(), theirs, strict=True))
    assert not stack_traces


def test_a_batch_is_one_indexing_a_tensor() -> None:
    tensors = {"image": torch.zeros(100, 1, 4, 4), "label": torch.arange(100)}
    loader = BatchLoader(tensors, 10, shuffle=True)
    with Operations() as operations:
        list(loader)
    assert operations.count["index"] == 2 * 10
    views_and_order = 10 + 3
    assert operations.count.total() <= 2 * 10 + views_and_order


@pytest.mark.in_turns
def test_what_a_step_does_not_do(project: Project, dllab: Here, stack_traces: list[str]) -> None:
    """Twenty steps more in each epoch write two points of the curve, and that is all they do."""
    audit, counts = Audit(), []
    for batches in (32, 32, 52):  # the first run fills caches
        words = [f"trainer.limit_train_batches={batches}", "trainer.max_epochs=2"]
        words += ["trainer.monitor=step", "trainer.mode=max"]  # each epoch writes a best.ckpt
        stack_traces.clear()
        with audit:
            code, _, stderr = dllab("train", "01", *words, "trainer.threads=1", "--no-grade")
        assert code == 0, stderr
        counts.append(audit.count | {"stack traces": len(stack_traces)})
    _, few, many = counts
    points = 2 * 2  # two epochs, one in ten of twenty steps
    assert many == few | {"open": few["open"] + points}
    assert few["subprocess.Popen"] <= 2, "git, for the run card"


class Speaks(Callback):
    """Says its name when a training begins."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.said.append(self.name)


def test_a_hook_reaches_those_that_have_it_and_no_others() -> None:
    said: list[str] = []
    together: Any = Together([Speaks("first", said), Callback(), Speaks("second", said)])
    together.on_train_start("a trainer", "a model")
    together.on_train_batch_end("a trainer", "a model", None, None, 0)
    assert said == ["first", "second"]
    assert list(vars(together)) == ["on_train_start"]


def test_a_checkpoint_is_whole_or_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    CheckpointFile().save_checkpoint({"weights": torch.ones(10)}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            CheckpointFile().save_checkpoint({"weights": torch.ones(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert torch.load(path)["weights"].equal(torch.ones(10))
    assert list(tmp_path.iterdir()) == [path]
