"""Dreams: what a lab shows of a trained model, for the report and for `dllab dream`.

    @dream("What it writes", arm="lstm")
    def writes(player, rng):                 # scorer; the model answers from its sandbox
        \"\"\"Cold, it repeats itself; hot, it invents words.\"\"\"
        for temperature in (0.5, 1.2):
            token_1T = player.call("write", begin, 200, temperature=temperature,
                                   returns="int64 [N, 200]")
            yield exhibits.text(f"temperature {temperature}", spell(token_1T[0]))

    @dream("What it takes for another", items=True)
    def confuses(player, rng, items):        # items of the public test split, as plays get them
        scores = player.call("forward", items.inputs["image"], returns="float32 [N, 10]")
        …

A dream earns nothing and costs nothing. It is asked for in practice and by an instructor, with the
`Player` that plays have (see `plays`): each answer is validated before the dream has it, and the
same seed gives the same dream.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType

from dllab.checks.exhibits import Exhibit

Show = Callable[..., Iterable[Exhibit]]


@dataclass(frozen=True)
class Dream:
    """`show(player, rng)`, or `show(player, rng, items)`, gives the exhibits.

    `arm` is the training whose model is asked, `returns` the form of what `player.sample` and
    `player.act` answer.
    """

    title: str
    show: Show
    arm: str
    returns: str
    items: bool
    sentence: str


def dream(
    title: str, *, arm: str = "main", returns: str = "", items: bool = False
) -> Callable[[Show], Dream]:
    """Turn a function of a lab's checks.py into a dream; its docstring says what is to be seen."""

    def decorate(show: Show) -> Dream:
        return Dream(title, show, arm, returns, items, " ".join((show.__doc__ or "").split()))

    return decorate


def dreams_in(module: ModuleType) -> list[Dream]:
    """All dreams that a module writes, in the order in which they stand."""
    return [value for value in vars(module).values() if isinstance(value, Dream)]
