"""Lab 07: a data audit, from the first missing value to a leak between splits.

Work through the TODOs from top to bottom. `pytest labs/lab07_data_audit` checks them,
`dllab hint 07 TASK` helps, `dllab train 07` plants faults in real data and grades what you find.

Shapes stand in the names: N rows, F columns of a table, B bits, H hash functions, P pairs of rows.
`table_NF` is [N, F]. Rows are counted from 0. A missing number is nan.
"""

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

PRIME = 2**31 - 1  # hash values are below it, so that a product of two fits into int64
SHINGLE = 3  # words in a row that make one feature of a text


def profile(table_NF: Tensor, low_F: Tensor, high_F: Tensor) -> dict[str, Tensor]:
    """Say which cells of a table are faulty, and between what the others lie.

    `table_NF` is float32; a column's possible values lie in [low, high], float32 [F] each.
    """
    # TODO profile: return a dict of `missing`, `impossible` and `sound`.
    # The first two are masks, bool [N, F]. A number is impossible outside [low, high]; a missing
    # one is not, since nobody knows it. `sound` is float32 [3, F]: the smallest, the median and the
    # largest of the column's other numbers (an odd number of them, so the median is clear).
    raise NotImplementedError("TODO profile: return a dict of `missing`, `impossible` and `sound`.")


def impute(train_NF: Tensor, new_MF: Tensor) -> Tensor:
    """Fill the gaps of new rows, float32 [M, F], by what the training rows [N, F] know."""
    # TODO impute: return the rows, filled and marked, float32 [M, 2 F].
    # Each nan of new_MF becomes the median of its column's numbers in train_NF. The second half of
    # the columns is 1.0 where there was a nan, else 0.0: a gap may tell something by itself.
    # new_MF itself stays as it is.
    raise NotImplementedError("TODO impute: return the rows, filled and marked, float32 [M, 2 F].")


class LabelError(ValueError):
    """Labels that do not fit the items; each argument is the set of the ids concerned."""

    def __init__(self, missing: set[int], double: set[int], unknown: set[int]) -> None:
        super().__init__(f"missing {missing}, double {double}, unknown {unknown}")
        self.missing, self.double, self.unknown = missing, double, unknown


def read_labels(csv_text: str, json_text: str) -> list[tuple[int, int]]:
    """Read the lines of a table of labels as (id, class), in their order.

    The table is CSV with a header. The JSON says how to read it, `{"id": COLUMN, "label": COLUMN,
    "classes": [NAME, …]}`; the class is a name's place in that list.
    """
    # TODO read-labels: return a list of (id, class), two ints a line.
    # json and csv.DictReader do the reading: columns come in any order, and a quoted name may hold
    # a comma. A name that is not in the list is a ValueError.
    raise NotImplementedError("TODO read-labels: return a list of (id, class), two ints a line.")


def join_labels(id_N: Tensor, labels: Sequence[tuple[int, int]]) -> Tensor:
    """Give each item, by its id, int64 [N], the class that the (id, class) pairs say: int64 [N].

    Raises LabelError for items without a label, ids with two lines or more, ids of no item.
    """
    # TODO join-labels: return the classes in the order of id_N.
    # Or raise LabelError, with all three kinds of faults, so that one look shows everything. An id
    # with two lines is double, even if both say the same; it may be unknown as well.
    raise NotImplementedError("TODO join-labels: return the classes in the order of id_N.")


def exact_copies(items: Tensor) -> Tensor:
    """For each row of a tensor [N, …] the first row with the same bytes: int64 [N].

    A row that is nobody's copy points at itself.
    """
    # TODO exact-copies: return the first equal row of each, int64 [N].
    # row.numpy().tobytes() has the bytes, hashlib.sha256(…).digest() shortens them to 32, and a
    # dict remembers which row had them first: no two rows need be compared.
    raise NotImplementedError("TODO exact-copies: return the first equal row of each, int64 [N].")


def block_hash(image_NCHW: Tensor, block: int = 4) -> Tensor:
    """Hash pictures, uint8 [N, 1, H, W], so that similar ones get similar bits: bool [N, B].

    There is a bit for each square of `block` by `block` pixels: B = (H / block) · (W / block).
    """
    # TODO block-hash: return the bits, bool [N, B], blocks row by row.
    # A bit says whether its block's mean is above the mean of the whole picture.
    raise NotImplementedError("TODO block-hash: return the bits, bool [N, B], blocks row by row.")


def near_pictures(image_NCHW: Tensor, most: int = 4, least: float = 0.975) -> Tensor:
    """Find pairs (i, j), i < j, of pictures, uint8 [N, 1, H, W], that are nearly the same: [P, 2].

    A hash proposes, the pixels decide: brightness, contrast and slight noise must not matter.
    """
    # TODO near-pictures: return the pairs, int64 [P, 2], in order.
    # They are ordered by i, then j. Candidates are pairs whose hashes differ in at most `most`
    # bits. Of these keep the pairs whose pixels have a correlation of at least `least`: the cosine
    # of the angle between two pictures, as float vectors, each less its own mean.
    raise NotImplementedError("TODO near-pictures: return the pairs, int64 [P, 2], in order.")


def shingles(tokens_T: Tensor) -> set[int]:
    """Number every run of SHINGLE words of a text, int64 [T]: a set of ints below PRIME.

    A shorter text is one shingle. Jaccard's similarity of two texts is then |A and B| / |A or B|.
    """
    words = tokens_T.tolist()
    runs = [words[i : i + SHINGLE] for i in range(max(1, len(words) - SHINGLE + 1))]
    return {sum((word + 1) * 40_009**i for i, word in enumerate(run)) % PRIME for run in runs}


def minhash(shingle_S: Tensor, a_H: Tensor, b_H: Tensor) -> Tensor:
    """Sign a set of numbers below PRIME, int64 [S], by H hash functions: int64 [H].

    Two sets agree in each place with a probability that is their Jaccard similarity (Broder, 1997).
    """
    # TODO minhash: return each function's smallest value, int64 [H].
    # Function h takes x to (a_h · x + b_h) mod PRIME, and the minimum runs over the set.
    raise NotImplementedError("TODO minhash: return each function's smallest value, int64 [H].")


def candidates(signature_NH: Tensor, rows: int = 2) -> Tensor:
    """Find pairs (i, j), i < j, that agree in one band of their signatures, int64 [N, H]: [P, 2].

    A band is `rows` neighbouring places: the first ones, the next ones, and so on (H / rows bands).
    """
    # TODO candidates: return the pairs, int64 [P, 2], each once.
    # They are ordered by i, then j; if there are none, the shape is [0, 2].
    # Put the texts into boxes, a box for each band and what stands in it. All texts of a box are
    # candidates of each other, and no two texts need be compared.
    raise NotImplementedError("TODO candidates: return the pairs, int64 [P, 2], each once.")


def near_texts(
    tokens_NT: Tensor, lengths_N: Tensor, least: float = 0.6, hashes: int = 64
) -> Tensor:
    """Find pairs (i, j), i < j, of padded texts with Jaccard similarity ≥ `least`: int64 [P, 2]."""
    sets = [shingles(text[:n]) for text, n in zip(tokens_NT, lengths_N.tolist(), strict=True)]
    a_H, b_H = torch.randint(1, PRIME, (2, hashes), generator=torch.Generator().manual_seed(0))
    signature_NH = torch.stack([minhash(torch.tensor(sorted(s)), a_H, b_H) for s in sets])
    pair_P2 = candidates(signature_NH)
    near = [len(sets[i] & sets[j]) >= least * len(sets[i] | sets[j]) for i, j in pair_P2.tolist()]
    return pair_P2[torch.tensor(near, dtype=torch.bool)]


def clusters(pair_P2: Tensor, count: int) -> Tensor:
    """Name each of `count` rows by the first row that pairs, int64 [P, 2], link it to: int64 [N].

    Links add up: with (1, 2) and (2, 5) the rows 1, 2 and 5 are one cluster, called 1.
    """
    # TODO clusters: return each row's cluster, int64 [N].
    # Begin with every row on its own. A pair merges two clusters, whole, under the smaller name.
    raise NotImplementedError("TODO clusters: return each row's cluster, int64 [N].")


def stratified_split(label_N: Tensor, shares: Sequence[float], seed: int) -> Tensor:
    """Deal rows to parts of the given shares, such as [0.7, 0.15, 0.15]: int64 [N] of parts.

    Every part has each class (int64 [N]) in proportion; the seed decides which rows go where.
    """
    # TODO stratified-split: return the part of each row, int64 [N].
    # Shuffle the rows of a class by a torch.Generator with this seed. Of n rows, part 0 gets those
    # up to n · shares[0], rounded, part 1 those up to n · (shares[0] + shares[1]), and so on.
    raise NotImplementedError("TODO stratified-split: return the part of each row, int64 [N].")


def grouped_folds(group_N: Tensor, folds: int) -> Tensor:
    """Deal rows to folds of about equal size, all rows of a group (int64 [N]) to one: int64 [N]."""
    # TODO grouped-folds: return the fold of each row, int64 [N].
    # Take the groups from the largest to the smallest, of equal ones the smaller number first. Each
    # goes to the fold that has the fewest rows by then, the first of these.
    raise NotImplementedError("TODO grouped-folds: return the fold of each row, int64 [N].")


def time_split(time_N: Tensor, shares: Sequence[float]) -> Tensor:
    """Cut rows by time, int64 [N], into parts of about these shares, the oldest first: int64 [N].

    Rows of one time are never in two parts.
    """
    # TODO time-split: return the part of each row, int64 [N].
    # In order of time, part 1 begins with row number N · shares[0], rounded, part 2 with row number
    # N · (shares[0] + shares[1]). Rows of the same time as such a first row are in its part, too.
    raise NotImplementedError("TODO time-split: return the part of each row, int64 [N].")


def leaks(part_N: Tensor, group_N: Tensor) -> Tensor:
    """Find the groups, int64 [N], with rows in more than one part, int64 [N]: int64 [G].

    Groups are whatever must stay together: a garment's reviews, or a cluster of near copies.
    """
    # TODO leaks: return the groups in two parts or more, int64 [G].
    # They ascend. torch.unique(dim=0) finds the pairs of group and part that occur.
    raise NotImplementedError("TODO leaks: return the groups in two parts or more, int64 [G].")


def keep(image_NCHW: Tensor, label_N: Tensor) -> Tensor:
    """Say which pictures, uint8 [N, 1, H, W] with labels int64 [N], to train on: bool [N]."""
    # TODO keep: return which rows stay, bool [N].
    # Of each cluster of near pictures only the first row stays, and none where the cluster's labels
    # contradict each other (`leaks` finds these clusters, too: what are its parts?). A picture
    # whose pixels are all equal shows nothing, and goes.
    raise NotImplementedError("TODO keep: return which rows stay, bool [N].")
