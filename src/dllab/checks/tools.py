"""What probes of many labs need: gradients with no gaps, the words of code, a short training."""

import ast
import inspect
import logging
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from dllab.checks.arrays import Arrays
from dllab.checks.probing import ReturnedError

if TYPE_CHECKING:
    from lightning import LightningModule

Made = TypeVar("Made")


def gradients(leaves: Mapping[str, Tensor]) -> Arrays:
    """The gradient that each of the tensors holds, by name; zeros where there is none."""
    return {
        name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        for name, leaf in leaves.items()
    }


def instance(value: object, kind: type[Made]) -> Made:
    """A value that learner code made, if it is of this kind.

    Raises ReturnedError, in the learner's words, when it is another one.
    """
    if not isinstance(value, kind):
        raise ReturnedError(f"expected a {kind.__name__}, got a {type(value).__name__}")
    return value


def words_in(code: Callable[..., Any] | ModuleType) -> list[str]:
    """What the source of a function or module mentions, by its syntax tree: each name and attribute
    where it stands, and `for` or `while` for each loop and comprehension.

    Raises ReturnedError where there is no source to read.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError) as error:
        raise ReturnedError(f"its source cannot be read: {error}") from error
    return [word for node in ast.walk(tree) if (word := _word(node))]


def _word(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            return "for"
        case ast.While():
            return "while"
    return ""


def fit(model: "LightningModule", batches: Iterable[Arrays], epochs: int = 1) -> None:
    """Let Lightning train a model on the CPU: no validation, no files, nothing printed."""
    from lightning import Trainer  # slow to import, and the scorer needs none
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        # One process, whatever cluster this is: to look for one starts MPI where mpi4py is
        # installed, which ends a process that may start no others.
        "plugins": [LightningEnvironment()],
    }
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            trainer = Trainer(max_epochs=epochs, accelerator="cpu", limit_val_batches=0, **quiet)
            trainer.fit(model, batches, batches)
    finally:
        log.setLevel(level)
