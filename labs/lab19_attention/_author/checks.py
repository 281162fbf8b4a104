"""The hidden checks of lab 19: what they draw, what is right. None of this enters the sandbox."""

from functools import partial

import torch

from dllab.checks import Arrays, Given, Outcome, check, every, holds, integers
from labs.lab19_attention import checks
from labs.lab19_attention._author import probes


@checks.softmax.also("nothing-to-see", "Nothing to see")
def nothing_to_see(rng: torch.Generator) -> Arrays:
    """A query that sees no key has weights of 0."""
    keep = checks.masks(rng)
    keep[0, 0, 1] = False
    return {"score": checks.doubles(2, 2, 3, 5)(rng), "keep": keep}


@checks.softmax.also("far-scores", "Far scores")
def far_scores(rng: torch.Generator) -> Arrays:
    """Scores of thousands, above and below 0, give weights that add up to 1."""
    return {"score": checks.doubles(2, 2, 3, 5, std=3000.0)(rng), "keep": checks.masks(rng)}


@checks.tiled.also("uneven-tiles", "Uneven tiles")
def uneven_tiles(rng: torch.Generator) -> Arrays:
    """Three tiles of seven keys, the first of which a query, and a whole text, may not see."""
    given = checks.drawn(rng, S=7)
    keep = given["keep"]
    keep[0, 0, 1, :3], keep[1] = False, False
    return {**given, "keep": keep, "size": torch.tensor(3)}


LOGITS = "float32 [2, 9, 9]"


@check(
    "in-pieces",
    "In pieces, in tiles, with padding",
    given={
        "token": integers(0, 9, 2, 9),
        "length": integers(2, 8, 2),
        "seed": integers(0, 10_000),
    },
    probe=probes.in_pieces,
    returns={
        **dict.fromkeys(("whole", "pieces", "tiles"), LOGITS),
        **dict.fromkeys(("padded", "zeros"), "float32 [2, 9]"),
    },
    depends_on=("layer", "tiled"),
    hint="layer",
)
def in_pieces(given: Given, got: Arrays) -> Outcome:
    """The whole network says the same of a text in pieces, in tiles, and with other padding."""
    near = partial(torch.allclose, rtol=1e-4, atol=1e-5)
    last = got["whole"][torch.arange(2), given.length - 1]
    return every(
        holds(near(got["pieces"], got["whole"]), "in pieces, other logits come out than at once"),
        holds(near(got["tiles"], got["whole"]), "in tiles, other logits come out than at once"),
        holds(near(got["padded"], last), "tokens after the last one change its logits"),
        holds(near(got["padded"], got["zeros"]), "what stands in the padding changes the logits"),
    )


speed = probes.writing  # a timing's probe enters the sandbox
