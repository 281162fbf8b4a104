"""A small data set of each kind, as the folder that an author writes: dataset.yaml and read.py."""

from pathlib import Path
from typing import Any

import yaml

SIZES = {"train": 20, "val": 6, "test": 8, "reserved": 12}
LABEL = {"dtype": "int64", "role": "target", "classes": ["even", "odd"]}
COUNT = {"dtype": "int64"}

HEAD = """
import torch

RNG = torch.Generator().manual_seed(0)
LABEL = torch.arange(60) % 2


def numbers(*shape):
    return torch.rand(*shape, generator=RNG)


def lengths(low, high):
    return torch.randint(low, high, (60,), generator=RNG).tolist()


def read(folder):
"""

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "image": (
        {"image": {"dtype": "uint8", "shape": [3, 6, 5]}, "label": LABEL},
        '    return {"image": (numbers(60, 3, 6, 5) * 255).byte(), "label": LABEL}',
    ),
    "series": (
        {
            "series": {"dtype": "float32", "shape": ["T", 2], "lengths": "lengths"},
            "lengths": COUNT,
            "label": LABEL,
        },
        '    return {"series": [numbers(n, 2) for n in lengths(3, 41)], "label": LABEL}',
    ),
    "text": (
        {
            "tokens": {"dtype": "int64", "shape": ["T"], "lengths": "lengths"},
            "lengths": COUNT,
            "label": LABEL,
        },
        """    words = "the cat sat on a mat and saw one dog run to his own small house".split()
    pick = lambda n: " ".join(words[i] for i in torch.randint(16, (n,), generator=RNG))
    return {"text": [pick(n) for n in lengths(5, 30)], "label": LABEL}""",
    ),
    "stream": (
        {
            "tokens": {"dtype": "int64", "shape": [16], "lengths": "lengths"},
            "lengths": COUNT,
            "label": {"dtype": "int64", "role": "target"},
        },
        """    letters = lambda n: "".join(map(chr, torch.randint(97, 123, (n,), generator=RNG)))
    return {"text": [letters(n) for n in lengths(200, 300)]}""",
    ),
    "table": (
        {
            "features": {"dtype": "float32", "shape": [3], "names": ["age", "height", "pulse"]},
            "codes": {
                "dtype": "int64",
                "shape": [2],
                "names": ["sex", "smoker"],
                "categories": [["f", "m"], ["never", "once", "yes"]],
            },
            "label": {"dtype": "float32", "role": "target"},
        },
        """    codes = torch.stack([LABEL, torch.arange(60) % 3], dim=1)
    return {"features": numbers(60, 3), "codes": codes, "label": numbers(60)}""",
    ),
    "graph": (
        {
            "features": {"dtype": "float32", "shape": [60, 4], "shared": True},
            "edges": {"dtype": "int64", "shape": [2, "E"], "shared": True},
            "node": COUNT,
            "label": LABEL,
        },
        """    edges = torch.randint(60, (2, 90), generator=RNG)
    nodes = torch.arange(60)
    return {"features": numbers(60, 4), "edges": edges, "node": nodes, "label": LABEL}""",
    ),
    "audio": (
        {
            "audio": {"dtype": "int16", "shape": [900], "lengths": "lengths", "rate": 8000},
            "lengths": COUNT,
            "label": LABEL,
        },
        """    wave = lambda n: (numbers(n) * 2000 - 1000).short()
    return {"audio": [wave(n) for n in lengths(300, 901)], "label": LABEL}""",
    ),
    "boxes": (
        {
            "image": {"dtype": "uint8", "shape": [1, 12, 16]},
            "boxes": {
                "dtype": "float32",
                "shape": ["K", 4],
                "role": "target",
                "lengths": "count",
            },
            "classes": {
                "dtype": "int64",
                "shape": ["K"],
                "role": "target",
                "lengths": "count",
                "classes": ["cup", "hat"],
            },
            "count": {**COUNT, "role": "target"},
        },
        """    counts = lengths(0, 4)
    corners = [numbers(n, 2) * 6 for n in counts]
    return {
        "image": (numbers(60, 1, 12, 16) * 255).byte(),
        "boxes": [torch.cat([one, one + 5], dim=1) for one in corners],
        "classes": [torch.zeros(n, dtype=torch.int64) for n in counts],
    }""",
    ),
}
RANDOM = ("stream", "graph", "boxes")  # whose rows are not divided by a label


def write_set(data: Path, kind: str, name: str = "toy", /, **changes: Any) -> Path:
    """Write data/NAME of a kind; keys of dataset.yaml may be changed. Its file is put there."""
    columns, body = KINDS[kind]
    folder = data / name
    folder.mkdir(parents=True)
    about = {
        "title": f"Toy {kind}",
        "kind": kind,
        "licence": "none",
        "columns": columns,
        "division": {"by": "random" if kind in RANDOM else "label", "sizes": SIZES},
        "sources": [{"kind": "hand", "name": "the author", "files": {"notes.txt": ""}}],
        **changes,
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(about, sort_keys=False))
    (folder / "read.py").write_text(HEAD + body + "\n")
    return folder


def put_source(root: Path, name: str = "toy") -> None:
    """What a person puts where the set's source says."""
    notes = root / ".cache" / "downloads" / name / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("rows come from read.py")
