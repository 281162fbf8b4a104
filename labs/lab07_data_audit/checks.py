"""The visible checks of lab 07, in the order of its tasks, and the plays on planted faults.

Rows are few enough to be followed by hand. Every draw has its edge cases: values on the very bound,
chains of copies, equal times at a border.
"""

import csv
import io
import json
from collections.abc import Sequence
from itertools import combinations
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given, Outcome, Player, check, every, holds, integers, play
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance
from dllab.data import load

SHARES = [0.7, 0.15, 0.15]


def shuffled(count: int, rng: torch.Generator) -> Tensor:
    """The numbers below `count` in a drawn order, int64 [count]."""
    return torch.randperm(count, generator=rng)


# Tables -------------------------------------------------------------------------------------------

COLUMNS = 3
LOW, HIGH = torch.tensor([18.0, 1, 0]), torch.tensor([99.0, 5, 200])


def faulty_table(rng: torch.Generator, rows: int = 15) -> Arrays:
    """Draw a table whose columns have two gaps, two impossible numbers, and one on each bound."""
    table = LOW + (HIGH - LOW) * torch.rand(rows, COLUMNS, generator=rng)
    for column in range(COLUMNS):
        row = shuffled(rows, rng)
        table[row[:2], column] = torch.nan
        table[row[2], column] = LOW[column] - 1
        table[row[3], column] = HIGH[column] + 900
        table[row[4], column], table[row[5], column] = LOW[column], HIGH[column]
    return {"table": table, "low": LOW, "high": HIGH}


def beyond(g: Given) -> Tensor:
    """Which cells lie outside their bounds; a gap lies nowhere."""
    return (g.table < g.low) | (g.table > g.high)


def extent(table: Tensor) -> Tensor:
    """The smallest number of each column, the median and the largest, float32 [3, F]."""
    return table.nanquantile(torch.tensor([0, 0.5, 1]), dim=0)


def profiled(g: Given) -> Arrays:
    """What `profile` must find."""
    sound = extent(g.table.masked_fill(beyond(g), torch.nan))
    return {"missing": g.table.isnan(), "impossible": beyond(g), "sound": sound}


@check(
    "profile",
    "Missing and impossible values",
    given=faulty_table,
    expect=profiled,
    mistakes={
        "a missing number is not impossible: nobody knows it": lambda g: {
            "impossible": beyond(g) | g.table.isnan()
        },
        "the bounds themselves are possible": lambda g: {
            "impossible": (g.table <= g.low) | (g.table >= g.high)
        },
        "numbers above `high` are impossible, too": lambda g: {"impossible": g.table < g.low},
        "numbers below `low` are impossible, too": lambda g: {"impossible": g.table > g.high},
        "no number is both too small and too large: combine by |": lambda g: {
            "impossible": torch.zeros_like(g.table).bool()
        },
        "nothing equals nan, not even nan: use isnan": lambda g: {
            "missing": torch.zeros_like(g.table).bool()
        },
        "missing is every faulty cell here: impossible ones have a number": lambda g: {
            "missing": beyond(g) | g.table.isnan()
        },
        "`sound` still counts the impossible numbers": lambda g: {"sound": extent(g.table)},
        "the middle row of `sound` is the median, not the mean": lambda g: {
            "sound": torch.stack(
                [
                    profiled(g)["sound"][0],
                    g.table.masked_fill(beyond(g), torch.nan).nanmean(0),
                    profiled(g)["sound"][2],
                ]
            )
        },
    },
)
def profile(lab: ModuleType, given: Given) -> Arrays:
    """`profile` finds missing and impossible cells, and describes each column without them."""
    return lab.profile(given.table, given.low, given.high)


def gaps(rng: torch.Generator) -> Arrays:
    """Draw training rows and new ones of other size, both with gaps in every column."""
    train, new = torch.randn(11, 3, generator=rng), 5 + torch.randn(6, 3, generator=rng)
    for column in range(3):
        train[shuffled(11, rng)[:2], column] = torch.nan
        new[shuffled(5, rng)[:2], column] = torch.nan
    return {"train": 50 * train.exp(), "new": new}


UNTOUCHED = "new_MF is left as it was"


def filled(by: Tensor, g: Given, *, marked: bool = True) -> Arrays:
    """The new rows with their gaps filled by one number a column."""
    gap = g.new.isnan()
    rows = torch.where(gap, by, g.new)
    return {"filled": torch.cat([rows, gap.float()], 1) if marked else rows}


def median(*tables: Tensor) -> Tensor:
    """The median of each column over all rows of the tables, gaps left out."""
    return torch.cat(tables).nanmedian(dim=0).values


@check(
    "impute",
    "Gaps filled from training rows",
    given=gaps,
    expect=lambda g: filled(median(g.train), g) | {UNTOUCHED: True},
    mistakes={
        "the new rows' own median fills them: they must not be looked at": lambda g: filled(
            median(g.new), g
        ),
        "new rows leak into the median: impute after the split": lambda g: filled(
            median(g.train, g.new), g
        ),
        "this is the training mean: a few extreme rows move it": lambda g: filled(
            g.train.nanmean(0), g
        ),
        "gaps are filled with 0": lambda g: filled(torch.zeros(3), g),
        "one median fills all columns": lambda g: filled(g.train.nanmedian().expand(3), g),
        "the second half is missing: mark what was filled": lambda g: filled(
            median(g.train), g, marked=False
        ),
        "the marks are the wrong way round: 1 where there was a nan": lambda g: {
            "filled": torch.cat(
                [filled(median(g.train), g)["filled"][:, :3], (~g.new.isnan()).float()], 1
            )
        },
        "the marks are all 0: they are made after the gaps are filled": lambda g: {
            "filled": filled(median(g.train), g)["filled"] * torch.tensor([1.0] * 3 + [0] * 3)
        },
        "new_MF itself was changed: fill a copy": {UNTOUCHED: False},
    },
)
def impute(lab: ModuleType, given: Given) -> Arrays:
    """`impute` fills gaps by the training rows' medians, and marks where they were."""
    before = given.new.clone()
    rows = lab.impute(given.train, given.new)
    same = torch.equal(before.nan_to_num(-1), given.new.nan_to_num(-1))
    return {"filled": rows, UNTOUCHED: torch.tensor(same)}


# Labels -------------------------------------------------------------------------------------------

CLASSES = ["shirt", "coat, long", "bag", "ankle boot", 'cap "x"']  # in no order
ABOUT = {"id": "picture", "label": "kind", "classes": CLASSES}


def label_lines(rng: torch.Generator) -> Arrays:
    """Draw lines of a table of labels: each class occurs, no id is a row's number."""
    order = torch.cat([torch.tensor([1]), shuffled(5, rng), torch.randint(5, (2,), generator=rng)])
    return {"id": 100 + shuffled(50, rng)[:8], "label": order}


def as_csv(ids: Sequence[int], names: Sequence[str]) -> str:
    """A table of labels whose columns are not where one expects them."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["kind", "taken", "picture"])
    table.writerows([name, 2019, id] for id, name in zip(ids, names, strict=True))
    return text.getvalue()


def numbered(g: Given, names: Sequence[str]) -> Arrays:
    """The lines when classes are numbered by another list of names."""
    return {
        "lines": torch.stack([g.id, torch.tensor([names.index(CLASSES[c]) for c in g.label])], 1)
    }


@check(
    "read-labels",
    "Labels from CSV and JSON",
    given=label_lines,
    expect=lambda g: {"lines": torch.stack([g.id, g.label], 1)},
    mistakes={
        "classes are numbered by the alphabet: the JSON has their order": lambda g: numbered(
            g, sorted(CLASSES)
        ),
        "classes are numbered as they occur: the JSON has their order": lambda g: numbered(
            g, list(dict.fromkeys(CLASSES[c] for c in g.label))
        ),
        "classes count from 0": lambda g: {"lines": torch.stack([g.id, g.label + 1], 1)},
        "the lines are sorted: keep the table's order": lambda g: {
            "lines": torch.stack([g.id, g.label], 1)[g.id.argsort()]
        },
        "a pair is (id, class), in this order": lambda g: {
            "lines": torch.stack([g.label, g.id], 1)
        },
        "the id is the one in the table, not the line's number": lambda g: {
            "lines": torch.stack([torch.arange(8), g.label], 1)
        },
        "one line is missing: DictReader has taken the header already": lambda g: {
            "lines": torch.stack([g.id, g.label], 1)[1:]
        },
    },
)
def read_labels(lab: ModuleType, given: Given) -> Arrays:
    """`read_labels` reads ids and classes by the columns and class names that the JSON gives."""
    names = [CLASSES[label] for label in given.label.tolist()]
    lines = lab.read_labels(as_csv(given.id.tolist(), names), json.dumps(ABOUT))
    return {"lines": as_lines(lines)}


def as_lines(lines: object) -> Tensor:
    """Pairs of ints as int64 [n, 2]; ReturnedError says what else came."""
    pairs = list(instance(lines, list))
    for pair in pairs:
        if len(instance(pair, tuple)) != 2 or not all(type(value) is int for value in pair):
            raise ReturnedError(f"expected pairs of two ints such as (17, 3), got {pair!r}")
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def labels_in_another_order(rng: torch.Generator) -> Arrays:
    """Draw items, and their labels in another order."""
    ids = 10 + shuffled(30, rng)[:7]
    order = shuffled(7, rng)
    while bool((order.argsort() == order).all()):
        order = shuffled(7, rng)
    return {"item": ids, "line": ids[order], "label": 3 + shuffled(7, rng)}


@check(
    "join-labels",
    "Labels joined by id",
    given=labels_in_another_order,
    expect=lambda g: g.label[(g.item[:, None] == g.line).int().argmax(1)],
    mistakes={
        "these are the labels in the table's order: go by id_N": lambda g: g.label,
        "these are the labels in the order of the ids: go by id_N": lambda g: g.label[
            g.line.argsort()
        ],
    },
)
def join_labels(lab: ModuleType, given: Given) -> Tensor:
    """`join_labels` gives each item the class of its id, in the order of the items."""
    return lab.join_labels(given.item, pairs_of(given.line, given.label))


IDS = 16


def pairs_of(*columns: Tensor) -> list[tuple[int, ...]]:
    """Columns as a list of lines."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


def faulty_labels(rng: torch.Generator) -> Arrays:
    """Draw ids: the first 8 are items, the next 2 of no item; 3 items get no line."""
    return {"id": shuffled(IDS, rng)[:10], "class": torch.randint(5, (10,), generator=rng)}


def marked(ids: Tensor) -> Tensor:
    """Which ids below IDS are among these, bool [IDS]."""
    return torch.isin(torch.arange(IDS), ids)


ALONE = "a LabelError for nothing but (missing, double, unknown) ids"


def fault_sets(g: Given) -> Arrays:
    """The faults of lines for items 3 to 7 and two unknown ids; 6 and one unknown are double."""
    return {
        "missing": marked(g.id[:3]),
        "double": marked(g.id[[6, 9]]),
        "unknown": marked(g.id[8:]),
        ALONE: torch.tensor([True] * 3),
    }


@check(
    "label-faults",
    "Missing, double and unknown ids",
    given=faulty_labels,
    expect=fault_sets,
    mistakes={
        "missing and unknown are swapped": lambda g: {
            "missing": marked(g.id[8:]),
            "unknown": marked(g.id[:3]),
        },
        "an unknown id can be double as well": lambda g: {"double": marked(g.id[6:7])},
        "an id with two lines is double, even if both say the same": lambda g: {
            "double": marked(g.id[9:])
        },
        "every id with a line is called double": lambda g: {"double": marked(g.id[3:])},
        "missing ids alone raise no LabelError": {ALONE: [False, True, True]},
        "double ids alone raise no LabelError": {ALONE: [True, False, True]},
        "unknown ids alone raise no LabelError": {ALONE: [True, True, False]},
        "only all three faults together raise: any one must": {ALONE: [False] * 3},
    },
    depends_on=("join-labels",),
    hint="join-labels",
)
def label_faults(lab: ModuleType, given: Given) -> Arrays:
    """`join_labels` raises LabelError with all ids that are missing, double or unknown."""
    id, label = given.id, given["class"].clone()
    line = torch.cat([torch.arange(3, 10), torch.tensor([6, 9])])
    label_of_line = torch.cat([label[3:], label[6:7], (label[9:] + 1) % 5])
    error = label_error(lab, id[:8], id[line], label_of_line)
    if error is None:
        raise ReturnedError("no LabelError is raised for missing, double and unknown ids")
    alone = [([0, 1], [0]), ([0, 1], [0, 1, 1]), ([0, 1], [0, 1, 2])]
    raised = [label_error(lab, id[i], id[j], label[j]) is not None for i, j in alone]
    sets = {name: getattr(error, name) for name in ("missing", "double", "unknown")}
    return {
        **{name: marked(torch.tensor(sorted(ids))) for name, ids in sets.items()},
        ALONE: torch.tensor(raised),
    }


def label_error(lab: ModuleType, item: Tensor, line: Tensor, label: Tensor) -> Exception | None:
    """The LabelError that `join_labels` raises, if it does."""
    try:
        lab.join_labels(item, pairs_of(line, label))
    except lab.LabelError as error:
        return error
    except KeyError:  # the first missing id, by chance of a dict
        return None
    return None


# Copies -------------------------------------------------------------------------------------------


def with_copies(rng: torch.Generator, dtype: torch.dtype = torch.uint8) -> Arrays:
    """Draw 12 rows: one occurs three times, one twice, one with its numbers in another order."""
    rows = torch.randint(0, 200, (12, 2, 3), generator=rng).to(dtype)
    row = shuffled(12, rng)
    rows[row[1]] = rows[row[2]] = rows[row[0]]
    rows[row[4]] = rows[row[3]]
    rows[row[5]] = torch.arange(6).reshape(2, 3)
    rows[row[6]] = torch.arange(6).flip(0).reshape(2, 3)  # the same numbers, another row
    rows[row[7]] = rows[row[8]]
    rows[row[7], 1, 2] += 1  # one number differs
    return {"items": rows}


def same(g: Given) -> Tensor:
    """Which rows are equal, bool [N, N]."""
    flat = g["items"].flatten(1)
    return (flat[:, None] == flat).all(2)


def latest_before(g: Given) -> Tensor:
    """The nearest earlier equal row, or the row itself."""
    earlier = same(g).tril(-1)
    last = (earlier * torch.arange(1, 13)).amax(1) - 1
    return torch.where(earlier.any(1), last, torch.arange(12))


@check(
    "exact-copies",
    "Exact copies by hash",
    given=with_copies,
    expect=lambda g: same(g).int().argmax(1),
    mistakes={
        "no copy is found: is the key the digest of the row's bytes?": torch.arange(12),
        "a copy of a copy points at the copy: name the first of all": latest_before,
        "this is the last row with these bytes: name the first": lambda g: (
            same(g) * torch.arange(12)
        ).amax(1),
        "rows with the same numbers in another order are not copies": lambda g: (
            same(Given({"items": g["items"].flatten(1).sort(1).values})).int().argmax(1)
        ),
        "rows with the same sum are not copies": lambda g: (
            same(Given({"items": g["items"].flatten(1).long().sum(1, keepdim=True)}))
            .int()
            .argmax(1)
        ),
    },
)
def exact_copies(lab: ModuleType, given: Given) -> Tensor:
    """`exact_copies` points each row at the first row with the same bytes."""
    return lab.exact_copies(given["items"])


def block_means(image: Tensor, block: int) -> Tensor:
    """The mean of each block, float32 [N, 1, H / block, W / block]."""
    return F.avg_pool2d(image.float(), block)


def hashed(image: Tensor, block: int = 4) -> Tensor:
    """The right bits, bool [N, B]."""
    means = block_means(image, block).flatten(1)
    return means > means.mean(1, keepdim=True)


def lit(rng: torch.Generator) -> Arrays:
    """Draw oblong pictures of which some are dark and some bright, all with skewed blocks."""
    share = torch.tensor([1, 0.9, 0.3, 0.2, 0, 0])
    bright = torch.stack([share[shuffled(6, rng)].reshape(1, 2, 3) for _ in range(5)])
    bright = bright.repeat_interleave(4, 2).repeat_interleave(4, 3)
    scale = torch.tensor([60.0, 100, 150, 200, 250])[:, None, None, None]
    image = scale * (0.2 + 0.8 * bright) * torch.rand(bright.shape, generator=rng)
    image[:, :, ::4, ::4] = image[:, :, ::4, ::4].where(bright[:, :, ::4, ::4] > 0, 190)  # a spark
    return {"image": image.byte()}


SMALL = "the bits for block=2"


@check(
    "block-hash",
    "A hash that similar pictures share",
    given=lit,
    expect=lambda g: {"the bits": hashed(g.image), SMALL: hashed(g.image, 2)},
    mistakes={
        "the bit compares with the picture's own mean, not with 127.5": lambda g: {
            "the bits": block_means(g.image, 4).flatten(1) > 127.5
        },
        "the bit compares with the picture's own mean, not with that of all pictures": lambda g: {
            "the bits": block_means(g.image, 4).flatten(1) > g.image.float().mean()
        },
        "the bit compares with the mean, not with the median": lambda g: {
            "the bits": block_means(g.image, 4).flatten(1)
            > block_means(g.image, 4).flatten(1).median(1, keepdim=True).values
        },
        "these are the blocks' largest pixels, not their means": lambda g: {
            "the bits": F.max_pool2d(g.image.float(), 4).flatten(1)
            > F.max_pool2d(g.image.float(), 4).flatten(1).mean(1, keepdim=True)
        },
        "the blocks come column by column: row by row": lambda g: {
            "the bits": hashed(g.image).reshape(5, 2, 3).mT.flatten(1)
        },
        "a bit is a block: pixels are compared here": lambda g: {
            "the bits": g.image.flatten(1) > g.image.float().flatten(1).mean(1, keepdim=True)
        },
        "`block` is a parameter: 4 is only what it is by default": lambda g: {
            SMALL: hashed(g.image)
        },
    },
)
def block_hash(lab: ModuleType, given: Given) -> Arrays:
    """`block_hash` says of each block whether it is brighter than its picture."""
    return {"the bits": lab.block_hash(given.image), SMALL: lab.block_hash(given.image, block=2)}


def centred(image: Tensor) -> Tensor:
    """Pictures as vectors less their means, of length 1."""
    x = image.flatten(1).float()
    return F.normalize(x - x.mean(1, keepdim=True), dim=1)


def bits_apart(image: Tensor) -> Tensor:
    """In how many bits two pictures differ, int64 [N, N]."""
    hashes = hashed(image)
    return (hashes[:, None] != hashes).sum(2)


def alike(image: Tensor) -> Tensor:
    """The correlation of every two pictures, float32 [N, N]."""
    return centred(image) @ centred(image).T


BLOCKS = 4  # in a row of a picture of 16 by 16 pixels
MOST, LEAST = 2, 0.5


def grow(block: Tensor) -> Tensor:
    """Sixteen blocks' grey levels as a picture, float32 [16, 16]."""
    return block.reshape(BLOCKS, BLOCKS).repeat_interleave(4, 0).repeat_interleave(4, 1)


def texture(rng: torch.Generator) -> Tensor:
    """A pattern of +1 and -1 whose mean is 0 in each block, float32 [16, 16]."""
    sign = torch.tensor([1.0, -1]).repeat(8)
    blocks = torch.stack([sign[shuffled(16, rng)].reshape(4, 4) for _ in range(16)])
    return blocks.reshape(4, 4, 4, 4).transpose(1, 2).reshape(16, 16)


def halves(low: float, high: float, rng: torch.Generator) -> Tensor:
    """Half of sixteen blocks dark and half bright."""
    return torch.where(shuffled(16, rng) < 8, low, high).float()


def related_pictures(rng: torch.Generator) -> Arrays:
    """Draw pairs of pictures that only hash and pixels together tell apart, in a drawn order.

    A picture, darker and with less contrast, with two blocks changed, with a third; one pair with
    the same blocks and opposite textures, one with independent textures, one with bright dots at
    other places; two flat ones.
    """
    blocks = halves(60, 190, rng)
    changed = shuffled(16, rng)
    two, three = blocks.clone(), blocks.clone()
    two[changed[:2]] = 250 - blocks[changed[:2]]
    three[changed[:3]] = 250 - blocks[changed[:3]]
    pattern, soft, wild = texture(rng), halves(90, 110, rng), halves(80, 140, rng)
    sparks, step = halves(60, 180, rng), torch.arange(16) % 4
    place = step[:, None] + step  # 0 to 6 within a block
    pictures = [
        grow(blocks),
        0.3 * grow(blocks) + 10 + 2 * torch.randn(16, 16, generator=rng),
        grow(two),
        grow(three),
        grow(soft) + 50 * pattern,
        grow(soft) - 50 * pattern,
        grow(wild) + 60 * texture(rng),
        grow(wild) + 60 * texture(rng),
        grow(sparks) * (place == 3),
        grow(sparks) * (place == 4),
        torch.full((16, 16), 7.0),
        torch.full((16, 16), 7.0),
    ]
    image = torch.stack(pictures)[shuffled(len(pictures), rng)]
    return {"image": image.clamp(0, 255).round().byte()[:, None]}


PAIR = "(i, j) is a pair"
IN_ORDER = "each pair once, i < j, ordered by i, then j"


def as_table(pairs: object, count: int) -> Arrays:
    """Pairs [P, 2] as a table, bool [count, count], and whether they are listed as they should."""
    listed = instance(pairs, Tensor)
    if listed.dim() != 2 or listed.shape[1] != 2 or listed.dtype != torch.int64:
        told = f"{str(listed.dtype).removeprefix('torch.')} {list(listed.shape)}"
        raise ReturnedError(f"expected pairs, int64 [P, 2], got {told}")
    table = torch.zeros(count, count, dtype=torch.bool)
    table[listed[:, 0], listed[:, 1]] = True
    ordered = torch.equal(listed, table.nonzero()) and not bool(table.tril().any())
    return {PAIR: table, IN_ORDER: torch.tensor(ordered)}


def pair_table(near: Tensor) -> Arrays:
    """What `as_table` makes of the right pairs, given which rows are near."""
    return {PAIR: near.triu(1), IN_ORDER: torch.tensor(True)}


def no_order(near: Tensor) -> Arrays:
    """The pairs of a whole table."""
    return {PAIR: near}


ORDER_MISTAKES = {
    "every pair is there twice, or a row with itself: i < j": {IN_ORDER: False},
}


def raw_cosine(image: Tensor) -> Tensor:
    """The cosine of pictures whose mean is not taken off."""
    x = F.normalize(image.flatten(1).float(), dim=1)
    return x @ x.T


def joint_cosine(image: Tensor) -> Tensor:
    """The cosine of pictures less the mean of all of them."""
    x = image.flatten(1).float()
    x = F.normalize(x - x.mean(), dim=1)
    return x @ x.T


def covariance(image: Tensor) -> Tensor:
    """Products of pictures less their means, not divided by their lengths."""
    x = image.flatten(1).float()
    x = x - x.mean(1, keepdim=True)
    return x @ x.T


def close_bits(g: Given) -> Tensor:
    """Which pictures are candidates."""
    return bits_apart(g.image) <= MOST


@check(
    "near-pictures",
    "Near copies of pictures",
    given=related_pictures,
    expect=lambda g: pair_table(close_bits(g) & (alike(g.image) >= LEAST)),
    mistakes={
        "the hash only proposes: compare the candidates' pixels": lambda g: pair_table(
            close_bits(g)
        ),
        "pairs whose hashes differ in more than `most` bits are not candidates": lambda g: (
            pair_table(alike(g.image) >= LEAST)
        ),
        "pairs that differ in exactly `most` bits are candidates, too": lambda g: pair_table(
            (bits_apart(g.image) < MOST) & (alike(g.image) >= LEAST)
        ),
        "brightness still counts: take each picture's mean off its pixels": lambda g: pair_table(
            close_bits(g) & (raw_cosine(g.image) >= LEAST)
        ),
        "the mean of all pictures was taken off: each has its own": lambda g: pair_table(
            close_bits(g) & (joint_cosine(g.image) >= LEAST)
        ),
        "contrast still counts: divide by the length of both pictures": lambda g: pair_table(
            close_bits(g) & (covariance(g.image) >= LEAST)
        ),
        "opposite pictures are not alike: -1 is far below `least`": lambda g: pair_table(
            close_bits(g) & (alike(g.image).abs() >= LEAST)
        ),
        "`most` is a parameter: 4 is only what it is by default": lambda g: pair_table(
            (bits_apart(g.image) <= 4) & (alike(g.image) >= LEAST)
        ),
        "`least` is a parameter: 0.975 is only what it is by default": lambda g: pair_table(
            close_bits(g) & (alike(g.image) >= 0.975)
        ),
        "each pair is there twice, as (j, i) as well": lambda g: no_order(
            (close_bits(g) & (alike(g.image) >= LEAST)).fill_diagonal_(fill_value=False)
        ),
        "each row is paired with itself: i < j": lambda g: no_order(
            close_bits(g).triu() & (alike(g.image) >= LEAST)
        ),
        **ORDER_MISTAKES,
    },
    depends_on=("block-hash",),
)
def near_pictures(lab: ModuleType, given: Given) -> Arrays:
    """`near_pictures` pairs pictures whose hashes are close and whose pixels correlate."""
    pairs = lab.near_pictures(given.image, most=MOST, least=LEAST)
    return as_table(pairs, len(given.image))


PRIME = 2**31 - 1


def functions(rng: torch.Generator) -> Arrays:
    """Draw a set of numbers below PRIME, and five hash functions."""
    return {
        "shingle": torch.randint(2**28, PRIME, (7,), generator=rng),
        "a": torch.randint(2**28, PRIME, (5,), generator=rng),
        "b": torch.randint(2**28, PRIME, (5,), generator=rng),
    }


def values(g: Given) -> Tensor:
    """What each function makes of each number, int64 [H, S]."""
    return (g.a[:, None] * g.shingle + g.b[:, None]) % PRIME


@check(
    "minhash",
    "MinHash signature",
    given=functions,
    expect=lambda g: values(g).amin(1),
    mistakes={
        "the remainder by PRIME is missing: all functions order the set alike": lambda g: (
            g.a[:, None] * g.shingle + g.b[:, None]
        ).amin(1),
        "b is added after the remainder: it is of the whole sum": lambda g: (
            g.a[:, None] * g.shingle % PRIME + g.b[:, None]
        ).amin(1),
        "b is not added": lambda g: (g.a[:, None] * g.shingle % PRIME).amin(1),
        "this is the largest value, not the smallest": lambda g: values(g).amax(1),
        "this is the number with the smallest value: return the value": lambda g: g.shingle[
            values(g).argmin(1)
        ],
        "this is where the smallest value stands: return the value": lambda g: values(g).argmin(1),
        "the hash of the smallest number is not the smallest hash": lambda g: (
            (g.a * g.shingle.amin() + g.b) % PRIME
        ),
        "the minimum runs over the set, not over the functions": lambda g: values(g).amin(0),
    },
    atol=0.5,
    rtol=0,
)
def minhash(lab: ModuleType, given: Given) -> Tensor:
    """`minhash` is the smallest value that each hash function takes on the set."""
    return lab.minhash(given.shingle, given.a, given.b)


def banded(rng: torch.Generator) -> Arrays:
    """Draw 9 signatures of 3 bands of 2: boxes of two and of three, and what only looks alike."""
    signature = shuffled(54, rng).reshape(9, 6)
    four, five, six, seven, eight, nine, *box = shuffled(9, rng).tolist()
    one, two, three = sorted(box)
    signature[[two, three], 2:4] = signature[one, 2:4]  # three texts in a box
    signature[two, 4:] = signature[one, 4:]  # and two of them in another one
    signature[five, 1:3] = signature[four, 1:3]  # alike across two bands
    signature[seven, :2] = signature[six, 2:4]  # alike in different bands
    signature[eight, 5] = signature[nine, 5]  # alike in half a band
    signature[nine, 1] = signature[eight, 0]
    return {"signature": signature}


def box(signature: Tensor, rows: int = 2) -> Tensor:
    """Which texts agree in a band, bool [N, N]."""
    bands = signature.unfold(1, rows, rows)
    return (bands[:, None] == bands).all(3).any(2)


def any_band(signature: Tensor, rows: int = 2) -> Tensor:
    """Which texts have a band in common, wherever it stands."""
    bands = signature.unfold(1, rows, rows)
    return (bands[:, None, :, None] == bands[None, :, None]).all(4).any(3).any(2)


WIDE = "(i, j) is a pair for rows=3"


@check(
    "candidates",
    "Candidates from bands",
    given=banded,
    expect=lambda g: pair_table(box(g.signature)) | {WIDE: box(g.signature, 3).triu(1)},
    mistakes={
        "a box is of one band: the band's number is part of its name": lambda g: pair_table(
            any_band(g.signature)
        ),
        "a whole band must agree, not one place of it": lambda g: pair_table(box(g.signature, 1)),
        "one band that agrees is enough: not all must": lambda g: pair_table(box(g.signature, 6)),
        "bands do not overlap": lambda g: pair_table(box(g.signature) | box(g.signature[:, 1:5])),
        "`rows` is a parameter: 2 is only what it is by default": lambda g: {
            WIDE: box(g.signature).triu(1)
        },
        "in a box of three there are three pairs": lambda g: no_order(neighbours(box(g.signature))),
        "in a box of three the second and the third are a pair, too": lambda g: no_order(
            with_the_first(g.signature)
        ),
        "each pair is there twice, as (j, i) as well": lambda g: no_order(
            box(g.signature).fill_diagonal_(fill_value=False)
        ),
        "each row is paired with itself: i < j": lambda g: no_order(box(g.signature).triu()),
        "a pair that shares two boxes is one pair, and pairs are ordered": {IN_ORDER: False},
    },
)
def candidates(lab: ModuleType, given: Given) -> Arrays:
    """`candidates` pairs texts whose signatures agree in a whole band, each pair once."""
    narrow, wide = (as_table(lab.candidates(given.signature, rows=n), 9) for n in (2, 3))
    return narrow | {WIDE: wide[PAIR]}


def with_the_first(signature: Tensor) -> Tensor:
    """Each box's first text with the others of the box, and no other pairs."""
    bands = signature.unfold(1, 2, 2)
    same = (bands[:, None] == bands).all(3)  # [N, N, bands]
    first = (same.int().argmax(1) == torch.arange(len(signature))[:, None]).float()  # [N, bands]
    return (same & (first[:, None] > 0)).any(2).triu(1)


def neighbours(near: Tensor) -> Tensor:
    """Each row with the next row near it, and no other."""
    later = near.triu(1)
    return later & (later.cumsum(1) == 1)


ROWS = 12


def links(rng: torch.Generator) -> Arrays:
    """Draw pairs that chain four rows, four others, and two; two rows have no link."""
    row = shuffled(ROWS, rng)
    (a, b, c, d), (e, f, g, h) = (part.sort().values.tolist() for part in row[:8].split(4))
    i, j = sorted(row[8:10].tolist())
    pairs = [(a, d), (b, d), (b, c), (e, h), (f, g), (g, h), (i, j)]
    return {"pair": torch.tensor(sorted(pairs))}


def linked(pair: Tensor) -> Tensor:
    """Which rows a chain of pairs connects, bool [N, N]."""
    near = torch.eye(ROWS).bool()
    near[pair[:, 0], pair[:, 1]] = near[pair[:, 1], pair[:, 0]] = True
    for _ in range(4):
        near = (near.float() @ near.float()) > 0
    return near


def one_row_moved(g: Given) -> Tensor:
    """Every pair gives the later row the earlier one's name, and leaves its cluster behind."""
    name = list(range(ROWS))
    for i, j in g.pair.tolist():
        name[j] = name[i]
    return torch.tensor(name)


def two_rows_moved(g: Given) -> Tensor:
    """Every pair gives both rows the smaller name, and leaves the rest of the clusters behind."""
    name = list(range(ROWS))
    for i, j in g.pair.tolist():
        name[i] = name[j] = min(name[i], name[j])
    return torch.tensor(name)


@check(
    "clusters",
    "Clusters of linked rows",
    given=links,
    expect=lambda g: linked(g.pair).int().argmax(1),
    mistakes={
        "only row j is renamed: a pair merges two whole clusters": one_row_moved,
        "only rows i and j are renamed: a pair merges two whole clusters": two_rows_moved,
        "every row is still on its own": torch.arange(ROWS),
        "a cluster is called by its first row, not by its last": lambda g: (
            ROWS - 1 - linked(g.pair).flip(1).int().argmax(1)
        ),
        "clusters are numbered one after the other: use the first row's number": lambda g: (
            linked(g.pair).int().argmax(1).unique(return_inverse=True)[1]
        ),
    },
)
def clusters(lab: ModuleType, given: Given) -> Tensor:
    """`clusters` calls every row by the first row that a chain of pairs links it to."""
    return lab.clusters(given.pair, ROWS)


# Splits -------------------------------------------------------------------------------------------

DEALT = 240


def uneven_classes(rng: torch.Generator) -> Arrays:
    """Draw the labels of 240 rows: 120, 60, 40 and 20 of a class, and a seed."""
    sizes = torch.tensor([120, 60, 40, 20])
    label = (torch.arange(4) + 2).repeat_interleave(sizes)
    return {"label": label[shuffled(DEALT, rng)], "seed": integers(0, 1000)(rng)}


def split_probe(lab: ModuleType, given: Given) -> Arrays:
    """Deal rows twice with one seed, once with another; and see whether other code notices."""
    seed = int(given.seed)
    torch.manual_seed(seed)
    expected = torch.rand(2)
    torch.manual_seed(seed)
    parts = [lab.stratified_split(given.label, SHARES, s) for s in (seed, seed, seed + 1)]
    apart = torch.tensor(torch.equal(torch.rand(2), expected))
    return {**dict(zip(("part", "again", "other"), parts, strict=True)), "apart": apart}


@check(
    "stratified-split",
    "Stratified parts of 70, 15 and 15 %",
    given=uneven_classes,
    probe=split_probe,
    returns={
        **dict.fromkeys(("part", "again", "other"), f"int64 [{DEALT}]"),
        "apart": "bool []",
    },
)
def stratified_split(given: Given, got: Arrays) -> Outcome:
    """`stratified_split` gives each part its share of each class; the seed alone decides."""
    return split_outcome(given.label, got)


def split_outcome(label: Tensor, got: Arrays) -> Outcome:
    """Whether parts are fair, repeatable and shuffled."""
    return every(
        *(sizes_outcome(label, got[name]) for name in ("part", "other")),
        holds(
            torch.equal(got["part"], got["again"]),
            "the same seed gives other parts: seed a torch.Generator in the function",
        ),
        holds(
            not torch.equal(got["part"], got["other"]),
            "another seed gives the same parts: shuffle the rows of a class by the seed",
        ),
        holds(got["apart"], "the global generator was seeded or used: take a torch.Generator"),
        holds(scattered(label, got["part"]), "the rows of a class are cut in their own order"),
    )


def sizes_outcome(label: Tensor, part: Tensor) -> Outcome:
    """Whether each class has its share of rows in each part, give or take one."""
    strange = part[(part < 0) | (part >= len(SHARES))]
    if len(strange):
        return Outcome(0.0, f"parts are 0, 1 and 2, but a row is in part {int(strange[0])}")
    for index, share in enumerate(SHARES):
        whole = int((part == index).sum())
        for name in label.unique().tolist():
            size, came = int((label == name).sum()), int(((label == name) & (part == index)).sum())
            if abs(came - share * size) > 1:
                fair = abs(whole - share * len(label)) <= 4
                told = "the classes are not in proportion" if fair else "the part's size is wrong"
                return Outcome(
                    0.0,
                    f"{told}: expected {share * size:g} of the {size} rows of class {name} in "
                    f"part {index}, got {came}",
                )
    return Outcome(1.0)


def scattered(label: Tensor, part: Tensor) -> bool:
    """Whether in some class the parts do not come one after the other."""
    runs = [part[label == name] for name in label.unique()]
    return any(bool((run.diff() < 0).any()) for run in runs)


FOLDS = 3


def garments(rng: torch.Generator) -> Arrays:
    """Draw groups of 9, 7, 6, 4, 4, 3, 2 and 1 rows, whose numbers say nothing of their size."""
    name = 10 * (1 + shuffled(8, rng)) + 3
    rows = name.repeat_interleave(torch.tensor([9, 7, 6, 4, 4, 3, 2, 1]))
    return {"group": rows[shuffled(len(rows), rng)]}


def dealt(group: Tensor, key: str = "large") -> Tensor:
    """Whole groups to the emptiest fold, in an order; `turn` goes around the folds instead."""
    names, index, sizes = group.unique(return_inverse=True, return_counts=True)
    order = sizes.argsort(stable=True, descending=key != "small")
    order = torch.arange(len(names)) if key == "number" else order
    fold, rows = torch.zeros_like(names), torch.zeros(FOLDS, dtype=torch.int64)
    for turn, g in enumerate(order.tolist()):
        fold[g] = turn % FOLDS if key == "turn" else rows.argmin()
        rows[fold[g]] += sizes[g]
    return fold[index]


@check(
    "grouped-folds",
    "Folds of whole groups",
    given=garments,
    expect=lambda g: dealt(g.group),
    mistakes={
        "rows are dealt one by one: a group must stay together": lambda g: (
            torch.arange(len(g.group)) % FOLDS
        ),
        "rows are cut in their order: a group must stay together": lambda g: (
            torch.arange(len(g.group)) * FOLDS // len(g.group)
        ),
        "the folds get groups in turns: the emptiest fold gets the next": lambda g: dealt(
            g.group, "turn"
        ),
        "the smallest groups go first: the largest must": lambda g: dealt(g.group, "small"),
        "groups go in the order of their numbers: the largest must go first": lambda g: dealt(
            g.group, "number"
        ),
        "this is the group's number modulo the folds": lambda g: g.group % FOLDS,
        "groups are dealt by their rank in turns, whatever their size": lambda g: (
            g.group.unique(return_inverse=True)[1] % FOLDS
        ),
    },
)
def grouped_folds(lab: ModuleType, given: Given) -> Tensor:
    """`grouped_folds` deals whole groups, the largest first, each to the emptiest fold."""
    return lab.grouped_folds(given.group, FOLDS)


def dates(rng: torch.Generator) -> Arrays:
    """Draw 20 dates in no order: some are equal, and equal ones lie across each border."""
    gap = torch.randint(1, 9, (20,), generator=rng)
    gap[[13, 14, 17]] = 0  # rows 12 to 14 and 16 to 17 are of one day; parts begin at 14 and 17
    gap[19] = 100
    return {"time": (500 + gap.cumsum(0))[shuffled(20, rng)]}


def by_rank(time: Tensor) -> Tensor:
    """The part of each row when equal times are torn apart."""
    return torch.bucketize(time.argsort(stable=True).argsort(), torch.tensor([14, 17]), right=True)


def borders(time: Tensor) -> Tensor:
    """The times at which the second and the third part begin."""
    return time.sort().values[[14, 17]]


@check(
    "time-split",
    "Oldest rows first",
    given=dates,
    expect=lambda g: torch.bucketize(g.time, borders(g.time), right=True),
    mistakes={
        "rows of one time are in two parts": lambda g: by_rank(g.time),
        "rows of a border's time belong to the later part": lambda g: torch.bucketize(
            g.time, borders(g.time)
        ),
        "the rows are cut in their order, not by time": lambda g: torch.bucketize(
            torch.arange(20), torch.tensor([14, 17]), right=True
        ),
        "the newest rows come first: a model must not learn from the future": lambda g: (
            torch.bucketize(-g.time, borders(-g.time), right=True)
        ),
        "shares are of the rows, not of the time between first and last": lambda g: torch.bucketize(
            g.time,
            g.time.amin() + (g.time.amax() - g.time.amin()) * torch.tensor([0.7, 0.85]),
            right=True,
        ),
    },
)
def time_split(lab: ModuleType, given: Given) -> Tensor:
    """`time_split` puts the oldest rows into part 0, and never tears rows of one time apart."""
    return lab.time_split(given.time, SHARES)


GROUPS = 9


def parted(rng: torch.Generator) -> Arrays:
    """Draw rows of 9 groups: of 1 or 3 rows, in one part, in two, in three."""
    name = shuffled(GROUPS, rng)
    group = torch.cat([name[:4].repeat_interleave(3), name[4:6], name[6:8].repeat_interleave(2)])
    part = torch.tensor([0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 0, 2, 1, 2, 0, 1, 2, 2])
    order = shuffled(len(group), rng)
    return {"group": group[order], "part": part[order]}


def spread(g: Given) -> Tensor:
    """In how many parts each group lies, int64 [9]."""
    return (F.one_hot(g.group, GROUPS).T @ F.one_hot(g.part, 3) > 0).sum(1)


@check(
    "leaks",
    "Groups that lie in two parts",
    given=parted,
    expect=lambda g: {"group leaks": spread(g) > 1, "each once, ascending": True},
    mistakes={
        "these are the groups of two rows or more, whatever their parts": lambda g: {
            "group leaks": torch.bincount(g.group, minlength=GROUPS) > 1
        },
        "these are the groups that stay in one part": lambda g: {"group leaks": spread(g) == 1},
        "a group may lie in three parts as well": lambda g: {"group leaks": spread(g) == 2},
        "only groups in parts 0 and 1 are found": lambda g: {
            "group leaks": (F.one_hot(g.group, GROUPS).T @ F.one_hot(g.part, 3) > 0)[:, :2].all(1)
        },
        "only groups with rows in all parts are found: two are a leak": lambda g: {
            "group leaks": spread(g) == 3
        },
        "groups repeat, or do not ascend": {"each once, ascending": False},
    },
)
def leaks(lab: ModuleType, given: Given) -> Arrays:
    """`leaks` finds the groups whose rows lie in more than one part."""
    found = instance(lab.leaks(given.part, given.group), Tensor)
    if found.dim() != 1 or bool(((found < 0) | (found >= GROUPS)).any()):
        raise ReturnedError(f"expected numbers of groups, int64 [G], got {found.tolist()}")
    ascending = bool((found.diff() > 0).all())
    return {
        "group leaks": torch.isin(torch.arange(GROUPS), found),
        "each once, ascending": torch.tensor(ascending),
    }


def soiled(rng: torch.Generator) -> Arrays:
    """Draw pictures: three twice with one label, one thrice with two, two alone, two blank."""
    base = torch.stack([grow(halves(60, 190, rng)) for _ in range(6)])
    base += 20 * torch.randn(6, 16, 16, generator=rng)
    source = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 5])
    gain = 0.7 + 0.3 * torch.rand(len(source), 1, 1, generator=rng)
    blank = torch.tensor([0.0, 130])[:, None, None].expand(2, 16, 16)
    image = torch.cat([gain * base[source] + 10, blank]).clamp(0, 255).round().byte()
    label = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 0, 1, 2, 3])
    order = shuffled(len(label), rng)
    return {"image": image[order][:, None], "label": label[order]}


def sorted_out(
    g: Given, *, torn: bool = False, blank: bool = False, last: bool = False, first: bool = True
) -> Tensor:
    """Which pictures stay; each flag lets one kind stay that should go."""
    near = (bits_apart(g.image) <= 4) & (alike(g.image) >= 0.975)
    flat = g.image.flatten(1)
    empty = flat.amin(1) == flat.amax(1)
    near |= torch.eye(len(flat)).bool()
    other = near.tril(-1).any(1) if not last else near.triu(1).any(1)
    contradicting = (near & (g.label[:, None] != g.label)).any(1)
    kept = ~other if first else ~(near.sum(1) > 1)
    return kept & (~contradicting | torn) & (~empty | blank)


@check(
    "keep",
    "Rows worth training on",
    given=soiled,
    expect=sorted_out,
    mistakes={
        "pictures without contrast stay: they show nothing": lambda g: sorted_out(g, blank=True),
        "of copies whose labels contradict each other one stays: none may": lambda g: sorted_out(
            g, torn=True
        ),
        "the last picture of a cluster stays: the first should": lambda g: sorted_out(g, last=True),
        "of copies that agree none stays: the first should": lambda g: sorted_out(g, first=False),
        "a blank picture may be grey: compare its pixels with each other, not with 0": lambda g: (
            sorted_out(g, blank=True) & (g.image.flatten(1).amax(1) > 0)
        ),
        "this is what goes: True is what stays": lambda g: ~sorted_out(g),
    },
    depends_on=("near-pictures", "clusters", "leaks"),
)
def keep(lab: ModuleType, given: Given) -> Tensor:
    """`keep` keeps one of each cluster, none whose labels contradict, and nothing blank."""
    return lab.keep(given.image, given.label)


# Plays: faults planted in real data ---------------------------------------------------------------

ALARMS = 1  # a kind of faults that is found with more false alarms than this is not found


def caught(found: Tensor, planted: Tensor) -> Tensor:
    """Which planted faults were found, bool [P]: none, if there are too many false alarms."""
    return found[planted] & (int((found & ~planted).sum()) <= ALARMS)


REVIEWS = {"low": torch.tensor([18.0, 1, 0, 0, 0]), "high": torch.tensor([99.0, 5, 150, 150, 20])}


@play("cells")
def cells(player: Player, rng: torch.Generator) -> Tensor:
    """Which of 90 gaps and impossible numbers, planted in real tables of reviews, are found."""
    features = load("clothing_metadata", "train")["features"]
    table = features[shuffled(len(features), rng)[:500]].clone()
    cell = shuffled(table.numel(), rng)[:90]
    gap, low, high = torch.zeros(3, table.numel(), dtype=torch.bool)
    gap[cell[:40]] = low[cell[40:65]] = high[cell[65:]] = True
    gap, low, high = (mask.reshape(table.shape) for mask in (gap, low, high))
    table = table.where(~gap, torch.nan).where(~low, REVIEWS["low"] - 1)
    table = table.where(~high, REVIEWS["high"] + 1)
    masks = dict.fromkeys(("missing", "impossible"), "bool [500, 5]")
    got = player.call(
        "profile", table, *REVIEWS.values(), returns={**masks, "sound": "float32 [3, 5]"}
    )
    return torch.cat([caught(got["missing"], gap), caught(got["impossible"], low | high)])


def varied(image: Tensor, rng: torch.Generator) -> Tensor:
    """Near copies of pictures, uint8 [N, 1, H, W]: darker, with a shifted black, with noise."""
    gain, shift = torch.rand(2, len(image), 1, 1, 1, generator=rng)
    noise = 3 * torch.randn(image.shape, generator=rng)
    made = image * (0.7 + 0.3 * gain) + 20 * shift + noise
    return made.clamp(0, 255).round().byte()


def apart(image: Tensor, count: int) -> Tensor:
    """The first `count` pictures with contrast that are not nearly the same by themselves."""
    plain = image[image.flatten(1).float().std(1) > 40]
    twin = (alike(plain) > 0.955).tril(-1).any(1)
    return plain[~twin][:count]


def surely_near(image: Tensor, near: Tensor) -> Tensor:
    """Which pictures no rounding keeps from being called a near copy, bool [N]."""
    correlation = (centred(image) * centred(near)).sum(1)
    return ((hashed(image) != hashed(near)).sum(1) < 4) & (correlation > 0.98)


def copies(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw pictures of clothes, of which 40 are there twice and 60 as near copies, and the pairs.

    Returns uint8 [360, 1, 28, 28], and int64 [100, 2] with the exact pairs first.
    """
    pool = load("fashion_mnist", "train")["image"]
    image = apart(pool[shuffled(len(pool), rng)[:450]], 260)
    near = varied(image, rng)
    fit = surely_near(image, near).nonzero()[:, 0]
    source = fit[shuffled(len(fit), rng)[:100]]
    whole = torch.cat([image, image[source[:40]], near[source[40:]]])
    place = shuffled(len(whole), rng)
    pairs = torch.stack([source, torch.arange(260, 360)], 1)
    return whole[place.argsort()], place[pairs].sort(1).values


@play("pictures")
def pictures(player: Player, rng: torch.Generator) -> Tensor:
    """Which of 100 copies planted among pictures of clothes are found, exact ones by both ways."""
    image, pairs = copies(rng)
    first = player.call("exact_copies", image, returns="int64 [N]")
    points_at = F.one_hot(first.clamp(0, 359), 360).bool() & ~torch.eye(360).bool()
    exact = torch.zeros(360, 360, dtype=torch.bool)
    exact[pairs[:40, 1], pairs[:40, 0]] = True
    near = torch.zeros(360, 360, dtype=torch.bool)
    near[pairs[:, 0], pairs[:, 1]] = True
    found = player.call("near_pictures", image, returns="int64 [*, 2]")
    return torch.cat([caught(points_at, exact), caught(tabled(found, 360), near)])


def tabled(pairs: Tensor, count: int) -> Tensor:
    """Pairs as a table, bool [count, count]; what is out of range is left out."""
    inside = ((pairs >= 0) & (pairs < count)).all(1)
    table = torch.zeros(count, count, dtype=torch.bool)
    table[pairs[inside, 0], pairs[inside, 1]] = True
    return table


def edited(tokens: Tensor, length: Tensor, rng: torch.Generator) -> None:
    """Replace one word or two of a review, in place."""
    where = shuffled(int(length), rng)[: 1 + int(torch.randint(2, (), generator=rng))]
    tokens[where] = torch.randint(10, 1000, where.shape, generator=rng)


@play("texts")
def texts(player: Player, rng: torch.Generator) -> Tensor:
    """Which of 60 reviews with a few words changed are found among 300 reviews."""
    reviews = load("clothing_reviews", "train")
    long = (reviews["lengths"] >= 40).nonzero()[:, 0]
    row = long[shuffled(len(long), rng)[:300]]
    row = torch.cat([row, row[:60]])
    tokens, lengths = reviews["tokens"][row].clone(), reviews["lengths"][row]
    for i in range(300, 360):
        edited(tokens[i], lengths[i], rng)
    place = shuffled(360, rng)
    order = place.argsort()
    pairs = place[torch.stack([torch.arange(60), torch.arange(300, 360)], 1)].sort(1).values
    planted = tabled(pairs, 360)
    found = player.call("near_texts", tokens[order], lengths[order], returns="int64 [*, 2]")
    return caught(tabled(found, 360), planted)
