"""What a table of the public rows in lab.py finds of hidden items, and what perturbing them costs.

    python -m bench.lookups 01 03 08 --draws 3

A reference is trained once, as a learner's work, and graded officially on hidden sets of one seed
as they are drawn and perturbed: the difference is the honest cost. The tables hold all reserved
rows; each is tried as it finds most, and told in accuracy: what it does not find is wrong.
"""

import argparse
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.honest.__main__ import MOST_ITEMS, hidden_size
from bench.honest.variants import train_and_hand_in
from dllab import data
from dllab.data.tensors import Tensors
from dllab.grading.hidden import build_hidden, perturbed
from dllab.grading.official import Terms, grade_archive
from dllab.lab.find import Lab, find_lab
from dllab.lab.project import enter, find_root
from dllab.lab.scoring import scored_sets
from dllab.sandbox.backends import open_backend

STEPS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # of rounding, in standard deviations
COARSE = 16  # numbers or words
BITS = 64
SEED = 20261127

Keys = Callable[[Tensor], list[bytes]]


def as_bytes(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.contiguous().numpy()]


def rows_of(name: str, items: Tensors) -> Tensor:
    """All input values of each item, float32 `[N, F]`; padding is 0."""
    dataset = data.find(name)
    return torch.cat([items[key].flatten(1).float() for key in dataset.inputs], 1)


def tables(name: str, known: Tensor) -> dict[str, list[Keys]]:
    """By its kind, what a table may be keyed by."""
    words = "tokens" in data.find(name).inputs
    if words:
        return {
            "exact": [as_bytes],
            "words in any order": [lambda rows: as_bytes(rows.sort(1).values)],
            f"the first {COARSE} words": [lambda rows: as_bytes(rows[:, :COARSE])],
        }

    def coarse(rows: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(rows[:, None], COARSE)[:, 0]

    deviation, of_coarse = known.std(0).clamp(min=1e-6), coarse(known).std(0).clamp(min=1e-6)
    return {
        "exact": [as_bytes],
        "rounded": [
            lambda rows, step=step: as_bytes((rows / deviation / step).round().int())
            for step in STEPS
        ],
        f"{COARSE} means, rounded": [
            lambda rows, step=step: as_bytes((coarse(rows) / of_coarse / step).round().int())
            for step in STEPS
        ],
    }


def found(keys: Keys, known: Tensor, labels: Tensor, asked: Tensor, truth: Tensor) -> float:
    """The accuracy of a table that holds each key's most frequent label."""
    held: dict[bytes, Counter[float]] = defaultdict(Counter)
    for key, label in zip(keys(known), labels.tolist(), strict=True):
        held[key][label] += 1
    answers = {key: counted.most_common(1)[0][0] for key, counted in held.items()}
    hits = [answers.get(key) for key in keys(asked)]
    return sum(a == b for a, b in zip(hits, truth.tolist(), strict=True)) / len(truth)


def nearest(known: Tensor, labels: Tensor, asked: Tensor, truth: Tensor) -> float:
    """The accuracy of a table of 8 bytes a row that is searched for the most similar."""
    rng = torch.Generator().manual_seed(SEED)
    planes = torch.randn(known.shape[1], BITS, generator=rng)
    middle, scale = known.mean(0), known.std(0).clamp(min=1e-6)
    ours, theirs = (((rows - middle) / scale @ planes).sign() for rows in (asked, known))
    best = torch.cat([(some @ theirs.T).argmax(1) for some in ours.split(512)])
    return float((labels[best] == truth).float().mean())


def attacks(name: str) -> dict[str, tuple[float, float]]:
    """By what a table is keyed by, its accuracy on rows as they are and perturbed."""
    pool = data.reserved(name)
    rng = torch.Generator().manual_seed(SEED)
    chosen = torch.randperm(len(pool["label"]), generator=rng)[:MOST_ITEMS]
    shared = data.find(name).shared
    drawn = {key: v if key in shared else v[chosen] for key, v in pool.items()}
    known, labels, truth = rows_of(name, pool), pool["label"], drawn["label"]
    before, after = rows_of(name, drawn), rows_of(name, perturbed(name, drawn, rng))
    one = {
        what: tuple(max(found(k, known, labels, a, truth) for k in keys) for a in (before, after))
        for what, keys in tables(name, known).items()
    }
    both = tuple(nearest(known, labels, asked, truth) for asked in (before, after))
    return {**one, f"the most similar by {BITS} bits": both}


def cost(lab: Lab, draws: int, folder: Path) -> Iterator[dict[str, object]]:
    """For each hidden set what the reference's weights measure as drawn and perturbed."""
    here, archive = train_and_hand_in(lab, folder)
    size = hidden_size(lab)
    with open_backend("auto") as wall:
        for draw in range(draws):
            measured, score = [], []
            for exact in (True, False):
                hidden = folder / f"{lab.number}-{draw}-{exact}"
                build_hidden(here, size, SEED + draw, hidden, exact=exact)
                terms = Terms(here.root, wall, hidden=hidden, seed=SEED)
                result = grade_archive(archive, terms)
                measured.append({one.name: round(one.value, 4) for one in result.metrics})
                score.append(result.score)
            yield {"lab": lab.id, "drawn": measured[0], "perturbed": measured[1], "score": score}


def main() -> None:
    """Print a line for each set and its tables, and one for each hidden set."""
    parser = argparse.ArgumentParser(prog="python -m bench.lookups")
    parser.add_argument("labs", nargs="+", metavar="NN")
    parser.add_argument("--draws", type=int, default=3, metavar="N")
    args = parser.parse_args()
    labs = [find_lab(find_root(), number) for number in args.labs]
    enter(labs[0].root)
    for name in dict.fromkeys(name for lab in labs for name in scored_sets(lab)):
        print(json.dumps({"set": name, "tables": attacks(name)}), flush=True)
    with tempfile.TemporaryDirectory(prefix="dllab-lookups-") as made:
        folder = Path(made).resolve()
        os.environ["DLLAB_GRADER_KEY"] = str(folder / "grader.pem")
        for lab in labs:
            for line in cost(lab, args.draws, folder):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
