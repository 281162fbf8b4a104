"""How rows are divided: by class, group, time or chance, from a fixed seed, no copy twice."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Division
from dllab.data.files import DataError
from dllab.data.kinds import kind_of
from dllab.data.rows import Rows

SEED = 20_261_121
TESTING, TRAINING = ("test", "reserved"), ("train", "val")
Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64] | Ids
Parts = npt.NDArray[np.object_]


def partition(dataset: DataSet, rows: Rows) -> list[str]:
    """The part of every row, in the order of the ids; see `Division`.

    Raises:
        DataError: there are fewer rows, groups or times than `sizes` asks for.

    """
    division = dataset.about.division
    keys = kind_of(dataset).row_keys(rows)
    usable = _usable(keys)
    try:
        match division.by:
            case "time":
                parts = by_time(usable, _column(rows, division), division, len(keys))
            case "group":
                parts = by_group(usable, _column(rows, division), division, len(keys))
            case "label":
                parts = by_label(usable, _column(rows, division), division, len(keys))
            case _:
                parts = by_label(usable, np.zeros(len(keys), np.int64), division, len(keys))
    except ValueError as error:
        raise DataError(
            f"{dataset.name} cannot be divided: {error}",
            f"change `division` in {dataset.folder / 'dataset.yaml'}",
        ) from error
    return [str(part) for part in parts]


def by_label(usable: Ids, labels: Numbers, division: Division, rows: int) -> Parts:
    """Each part has the class proportions of where it is drawn from."""
    rng, classes = np.random.default_rng(SEED), _classes(labels)
    parts, (training, testing) = _blank(usable, rows), _sides(usable, division)
    for part in (*TESTING, *TRAINING):
        pool = testing if part in TESTING else training
        free = pool[parts[pool] == "full_extra"]
        size = division.sizes[part]  # type: ignore[index]
        if size > len(free):
            raise ValueError(f"{part} asks for {size} rows, and {len(free)} are left")
        parts[stratified(free, classes, size, rng)] = part
    return _rest(parts, testing, division)


def stratified(pool: Ids, classes: Ids, count: int, rng: np.random.Generator) -> Ids:
    """`count` ids of the pool with its class proportions (largest remainders get the odd ones)."""
    present, sizes = np.unique(classes[pool], return_counts=True)
    exact = sizes * count / len(pool)
    quota = np.floor(exact).astype(int)
    odd = np.argsort(quota - exact, kind="stable")[: count - quota.sum()]
    quota[odd] += 1
    chosen = [
        rng.choice(pool[classes[pool] == label], size, replace=False)
        for label, size in zip(present, quota, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def by_group(usable: Ids, groups: Numbers, division: Division, rows: int) -> Parts:
    """Whole groups, drawn at random; of one on both official sides only the test rows are used."""
    rng, parts = np.random.default_rng(SEED), _blank(usable, rows)
    training, testing = _sides(usable, division)
    if division.test_from:
        torn = training[np.isin(groups[training], groups[testing])]
        parts[torn] = "unused"
        training = np.setdiff1d(training, torn)
    for part in (*TESTING, *TRAINING):
        pool = testing if part in TESTING else training
        free = np.unique(groups[pool[parts[pool] == "full_extra"]])
        size = division.sizes[part]  # type: ignore[index]
        if size > len(free):
            raise ValueError(f"{part} asks for {size} groups, and {len(free)} are left")
        drawn = rng.choice(free, size, replace=False)
        parts[pool[np.isin(groups[pool], drawn)]] = part
    return _rest(parts, testing, division)


def by_time(usable: Ids, times: Numbers, division: Division, rows: int) -> Parts:
    """Walk forward: the newest rows are reserved, those before them test, then val, then train.

    Rows of one time stay together, in the later part. What an earlier part's row covers ends before
    the next part begins: rows that reach across the border are unused.
    """
    parts, border = _blank(usable, rows), np.inf
    for part in ("reserved", "test", "val", "train"):
        before = np.sort(times[usable[times[usable] < border]])
        size = division.sizes[part]
        if size > len(before):
            raise ValueError(f"{part} asks for {size} rows, and {len(before)} are left")
        begin = before[-size]
        span = usable[(times[usable] >= begin) & (times[usable] < border)]
        parts[span] = np.where(times[span] + division.span > border, "unused", part)
        if part not in parts[span]:
            raise ValueError(f"every row of {part} reaches into the part after it")
        border = begin
    older = usable[times[usable] < border]
    parts[older] = np.where(times[older] + division.span > border, "unused", "full_extra")
    return parts


def _blank(usable: Ids, rows: int) -> Parts:
    parts = np.full(rows, "unused", dtype=object)
    parts[usable] = "full_extra"
    return parts


def _sides(usable: Ids, division: Division) -> tuple[Ids, Ids]:
    """The rows for training and for testing: all for both where there is no official split."""
    if not division.test_from:
        return usable, usable
    return usable[usable < division.test_from], usable[usable >= division.test_from]


def _rest(parts: Parts, testing: Ids, division: Division) -> Parts:
    """What is left of an official test split is reserved as well."""
    if division.test_from:
        parts[testing[parts[testing] == "full_extra"]] = "reserved"
    return parts


def _classes(labels: Numbers) -> Ids:
    """Labels as classes: real numbers by the quarter of them that they belong to."""
    if np.issubdtype(labels.dtype, np.integer):
        return labels.astype(np.int64)
    return np.digitize(labels, np.quantile(labels, [0.25, 0.5, 0.75]))


def _usable(keys: list[bytes]) -> Ids:
    """Ids of the rows that are neither empty nor a copy of an earlier one."""
    first = {key: i for i, key in reversed(list(enumerate(keys))) if key}
    return np.array(sorted(first.values()), dtype=np.int64)


def _column(rows: Rows, division: Division) -> Numbers:
    """The column that decides, one number a row; texts are numbered."""
    if division.column not in rows:
        raise ValueError(f"the rows have no column {division.column!r} to divide by")
    values = rows[division.column]
    if isinstance(values, Tensor) and values.dim() == 1:
        numbers: Numbers = values.numpy()
        return numbers
    if isinstance(values, list) and isinstance(values[0], str):
        return np.unique(np.array(values), return_inverse=True)[1].astype(np.int64)
    raise ValueError(f"the column {division.column!r} is not one number or text a row")
