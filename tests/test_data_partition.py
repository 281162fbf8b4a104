"""How rows are divided: no group on two sides, no look ahead, whatever the rows are like."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from data_sets import KINDS
from torch import Tensor

from dllab.data import DataError, DataSet
from dllab.data.description import Description
from dllab.data.partition import partition
from dllab.data.rows import Rows
from dllab.lab.checked import checked

PARTS = ("train", "val", "test", "reserved")
DRAWS = range(12)


def table(division: dict[str, Any]) -> DataSet:
    about = {
        "title": "Toy",
        "kind": "table",
        "licence": "none",
        "columns": KINDS["table"][0],
        "division": division,
        "sources": [],
    }
    return DataSet(Path("toy"), checked(about, Description, Path("dataset.yaml")))


def rows(count: int, **columns: Any) -> Rows:
    """Rows that are all different."""
    features = torch.arange(3.0 * count).reshape(count, 3)
    return {"features": features, "label": torch.zeros(count), **columns}


def drawn(seed: int, high: int, count: int) -> Tensor:
    return torch.randint(high, (count,), generator=torch.Generator().manual_seed(seed))


def members(parts: list[str], values: Tensor) -> dict[str, set[int]]:
    """The values that stand in each part."""
    return {
        part: {int(v) for v, own in zip(values, parts, strict=True) if own == part}
        for part in {*parts}
    }


# ---- groups ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", DRAWS)
def test_a_group_is_in_one_part(seed: int) -> None:
    who = drawn(seed, 17, 200)
    sizes = {"train": 5, "val": 2, "test": 3, "reserved": 4}
    division = {"by": "group", "column": "who", "sizes": sizes}
    parts = partition(table(division), rows(200, who=who))
    groups = members(parts, who)
    assert sum(map(len, groups.values())) == len(set(who.tolist()))
    assert {part: len(groups[part]) for part in PARTS} == sizes
    assert set(groups) == {*PARTS, "full_extra"}
    again = partition(table(division), rows(200, who=who))
    assert parts == again


def test_groups_may_have_names() -> None:
    who = ["ann", "bob", "cyd", "dee"] * 5
    division = {"by": "group", "column": "who", "sizes": dict.fromkeys(PARTS, 1)}
    parts = partition(table(division), rows(20, who=who))
    assert len({*zip(who, parts, strict=True)}) == 4
    assert sorted(set(parts)) == sorted(PARTS)


@pytest.mark.parametrize("seed", DRAWS)
def test_a_group_of_both_official_splits_is_tested_on_only(seed: int) -> None:
    who = drawn(seed, 12, 120)
    sizes = {"train": 1, "val": 1, "test": 3, "reserved": 2}
    who[:30] = 12 + drawn(seed + 100, 5, 30)  # five groups that only train
    division = {"by": "group", "column": "who", "test_from": 60, "sizes": sizes}
    parts = partition(table(division), rows(120, who=who))
    tested = set(who[60:].tolist())
    for i, part in enumerate(parts):
        assert part in (
            ("test", "reserved") if i >= 60 else ("train", "val", "full_extra", "unused")
        )
        assert (part == "unused") == (i < 60 and int(who[i]) in tested)


def test_more_groups_than_there_are_cannot_be_asked_for() -> None:
    division = {"by": "group", "column": "who", "sizes": dict.fromkeys(PARTS, 2)}
    with pytest.raises(DataError, match="val asks for 2 groups, and 1 are left") as caught:
        partition(table(division), rows(70, who=drawn(0, 7, 70)))
    assert "toy/dataset.yaml" in caught.value.hint


# ---- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [1, 5])
@pytest.mark.parametrize("seed", DRAWS)
def test_time_goes_forward_and_nothing_reaches_ahead(seed: int, span: int) -> None:
    """In whatever order the rows come, and however many there are of one moment."""
    when = drawn(seed, 300, 240)
    sizes = {"train": 60, "val": 30, "test": 40, "reserved": 50}
    division = {"by": "time", "column": "when", "span": span, "sizes": sizes}
    parts = partition(table(division), rows(240, when=when))
    moments = members(parts, when)
    order = [part for part in ("full_extra", *PARTS) if part in moments]
    assert order[-4:] == list(PARTS)
    for earlier, later in pairwise(order):
        assert max(moments[earlier]) + span <= min(moments[later])
    assert len([part for part in parts if part == "reserved"]) >= 50, "ties go to the later part"
    for i, part in enumerate(parts):
        if part == "unused":  # only what would reach into a later part
            ahead = [min(moments[p]) for p in PARTS if min(moments[p]) > int(when[i])]
            assert ahead
            assert int(when[i]) + span > min(ahead)
    if span == 1:
        assert "unused" not in parts


def test_a_span_that_leaves_nothing_of_a_part_is_refused() -> None:
    sizes = {"train": 10, "val": 3, "test": 10, "reserved": 10}
    division = {"by": "time", "column": "when", "span": 5, "sizes": sizes}
    with pytest.raises(DataError, match="every row of val reaches into the part after it"):
        partition(table(division), rows(60, when=torch.arange(60)))


# ---- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", DRAWS)
def test_each_part_has_the_proportions_of_all(seed: int) -> None:
    label = (drawn(seed, 10, 400) > 7).long()
    sizes = {"train": 100, "val": 50, "test": 60, "reserved": 80}
    parts = partition(table({"sizes": sizes}), {**rows(400), "label": label})
    share = float(label.float().mean())
    for part in PARTS:
        own = label[torch.tensor([p == part for p in parts])].float()
        assert len(own) == sizes[part]
        assert abs(float(own.mean()) - share) <= 1 / len(own) + 0.01


@pytest.mark.parametrize("seed", DRAWS)
def test_numbers_keep_their_quarters(seed: int) -> None:
    label = torch.rand(400, generator=torch.Generator().manual_seed(seed)) ** 3
    sizes = {"train": 100, "val": 40, "test": 60, "reserved": 80}
    parts = partition(table({"sizes": sizes}), {**rows(400), "label": label})
    for part in PARTS:
        own = label[torch.tensor([p == part for p in parts])]
        below = [float((own < label.quantile(q)).float().mean()) for q in (0.25, 0.5, 0.75)]
        assert below == pytest.approx([0.25, 0.5, 0.75], abs=1 / len(own) + 0.01)


def test_copies_stand_on_one_side_whatever_their_label() -> None:
    content = rows(40)
    features = content["features"]
    assert isinstance(features, Tensor)
    features[30:] = features[:10]
    parts = partition(
        table({"by": "random", "sizes": {"train": 9, "val": 3, "test": 4, "reserved": 5}}),
        {**content, "label": torch.rand(40)},
    )
    assert parts[30:] == ["unused"] * 10
    assert "unused" not in parts[:30]


def test_what_is_left_of_the_official_test_split_is_reserved() -> None:
    sizes = {"train": 9, "val": 3, "test": 4, "reserved": 5}
    parts = partition(table({"by": "random", "test_from": 20, "sizes": sizes}), rows(40))
    assert parts[20:].count("reserved") == 16
    assert parts[:20].count("full_extra") == 8
