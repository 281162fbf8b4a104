"""The hidden checks of lab 07, and its hidden criterion. None of this enters the sandbox."""

import torch
from torch import Tensor

from dllab.checks import Arrays, Given, Player, check, play
from dllab.data import load
from labs.lab07_data_audit import checks
from labs.lab07_data_audit._author import probes


@checks.profile.also("infinite-cells", "Infinite numbers")
def infinite_cells(rng: torch.Generator) -> Arrays:
    """An infinite number is impossible as well, and no part of what is sound."""
    given = checks.faulty_table(rng)
    table = given["table"]
    table[table > given["high"]] = torch.inf
    table[table < given["low"]] = -torch.inf
    return given


@check(
    "unknown-class",
    "A class that nobody knows",
    given=checks.label_lines,
    probe=probes.unknown_class,
    depends_on=("read-labels",),
    hint="read-labels",
)
def unknown_class(_given: Given) -> Arrays:
    """A name that is not among the classes is a ValueError, and no class of its own."""
    return {"a ValueError is raised": torch.tensor(True)}


@checks.exact_copies.also("float-copies", "Copies of other things than pictures")
def float_copies(rng: torch.Generator) -> Arrays:
    """Rows of any dtype are compared by their bytes: floats that differ by little do differ."""
    given = checks.with_copies(rng, torch.float32)
    return {"items": given["items"] / 2**20}


@checks.candidates.also("no-candidates", "No candidates at all")
def no_candidates(rng: torch.Generator) -> Arrays:
    """Without any pair the result is int64 [0, 2]."""
    return {"signature": checks.shuffled(54, rng).reshape(9, 6)}


@checks.clusters.also("long-chain", "A chain of twelve")
def long_chain(rng: torch.Generator) -> Arrays:
    """However long a chain of links is, its rows are one cluster."""
    path = torch.stack([torch.arange(6), 11 - torch.arange(6)], 1).flatten()  # 0, 11, 1, 10, …
    pairs = torch.stack([path[:-1], path[1:]], 1).sort(1).values
    return {"pair": pairs[(12 * pairs[:, 0] + pairs[:, 1]).argsort()]}


@checks.stratified_split.also("rare-class", "Parts of a rare class")
def rare_class(rng: torch.Generator) -> Arrays:
    """A class of seven rows has one in each small part, and none of its rows gets lost."""
    label = torch.tensor([0, 5, 9]).repeat_interleave(torch.tensor([193, 40, 7]))
    seed = torch.randint(1000, (), generator=rng)
    return {"label": label[checks.shuffled(checks.DEALT, rng)], "seed": seed}


@checks.grouped_folds.also("large-group", "One group larger than a fold")
def large_group(rng: torch.Generator) -> Arrays:
    """A group with most of the rows has a fold to itself."""
    group = torch.tensor([4, 8, 1, 6, 0]).repeat_interleave(torch.tensor([20, 3, 3, 2, 2]))
    return {"group": group[checks.shuffled(30, rng)]}


def soiled(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw 600 pictures of clothes with labels; 200 have two near copies with a wrong label each.

    Twenty blank ones are among them. Returns uint8 [1020, 1, 28, 28] and int64 [1020].
    """
    train = load("fashion_mnist", "train")
    row = checks.shuffled(len(train["label"]), rng)[:600]
    image, label = train["image"][row], train["label"][row]
    wrong = (label[:200] + torch.randint(1, 10, (200,), generator=rng)) % 10
    grey = torch.randint(0, 256, (20, 1, 1, 1), generator=rng, dtype=torch.uint8)
    images = [image, *(checks.varied(image[:200], rng) for _ in range(2))]
    images = torch.cat([*images, grey.expand(-1, *image.shape[1:])])
    labels = torch.cat([label, wrong, wrong, torch.randint(10, (20,), generator=rng)])
    order = checks.shuffled(len(labels), rng)
    return images[order], labels[order]


@play("kept")
def kept(player: Player, rng: torch.Generator) -> Tensor:
    """Which test pictures a nearest neighbour among the kept rows names rightly, bool [2000]."""
    image, label = soiled(rng)
    kept = player.call("keep", image, label, returns="bool [N]")
    test = load("fashion_mnist", "test")
    if not bool(kept.any()):
        return torch.zeros(len(test["label"]))
    nearest = torch.cdist(pixels(test["image"]), pixels(image[kept])).argmin(1)
    return label[kept][nearest] == test["label"]


def pixels(image: Tensor) -> Tensor:
    """Grey levels, float32 [N, 784]."""
    return image.flatten(1).float()
