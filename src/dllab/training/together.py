"""Several callbacks as one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lightning.pytorch.callbacks import Callback

HOOKS = [n for n in vars(Callback) if n.startswith("on_") or n in ("setup", "teardown")]


class Together(Callback):
    """Hands each hook on to those of its parts that have it, in their order.

    Lightning calls every hook of every callback, empty ones too, at 3 µs each: for ten callbacks
    and seven hooks a step, 4 % of a small network's step. Parts with a state of their own, as
    checkpoints have, stay outside.
    """

    def __init__(self, parts: Sequence[Callback]) -> None:
        for hook in HOOKS:
            own = [p for p in parts if getattr(type(p), hook) is not getattr(Callback, hook)]
            if own:
                setattr(self, hook, partial(_each, [getattr(p, hook) for p in own]))


def _each(hooks: Sequence[Callable[..., None]], *args: Any, **kwargs: Any) -> None:
    for hook in hooks:
        hook(*args, **kwargs)
