"""The vocabulary of checks: the right answer passes, a wrong one is told by its name."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from torch.utils.data import DataLoader

from dllab.authoring.proof import module_of
from dllab.checks import Given, check, close, integers, normal, run_here, uniform
from dllab.checks.naming import name_of
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import fit, instance, words_in
from dllab.data import BatchLoader
from dllab.lab.find import find_lab

BATCH, CLASSES = 6, 4


@check(
    "loss",
    "Cross-entropy",
    given={"logits": normal(BATCH, CLASSES, std=3), "label": integers(0, CLASSES, BATCH)},
    expect=lambda given: F.cross_entropy(given["logits"], given["label"]),
    mistakes={
        "softmax was applied twice": lambda given: F.cross_entropy(
            given["logits"].softmax(1), given["label"]
        )
    },
    grad=("logits",),
)
def loss(lab, given):
    """The mean of -log p(label)."""
    return lab.loss(given["logits"], given["label"])


@check(
    "moments",
    "Moments",
    given={"x": uniform(BATCH, 3, low=1, high=9)},
    expect=lambda given: {"mean": given["x"].mean(0), "std": given["x"].std(0)},
    mistakes={
        "no mistake on these values": lambda g: {"std": g.x.std(0).clamp_min(0)},
        "this is the variance": lambda g: {"std": g.x.var(0)},
        "two means": lambda g: {"mean": 2 * g.x.mean(0)},
    },
    rtol={"std": 1e-3},
)
def moments(lab, given):
    """Mean and deviation over the batch."""
    mean, std = lab.moments(given["x"])
    return {"mean": mean, "std": std}


@check("softmax", "Softmax", given={"x": normal(5, 3)}, expect=lambda given: given["x"].softmax(1))
def softmax(lab, given):
    """The softmax of each row."""
    return lab.softmax(given["x"])


def told(of_check, function, seed=0) -> str:
    outcome = run_here(of_check, SimpleNamespace(**{of_check.id: function}), seed)
    assert outcome.ok == (not outcome.message)
    return outcome.message


def mean_loss(logits, label, reduction="mean"):
    return F.cross_entropy(logits, label, reduction=reduction)


WRONG = {
    "softmax was applied twice": lambda x, y: mean_loss(x.softmax(1), y),
    "exactly 6 times too large (the length of dimension 0 of `logits`: a sum for a mean?)": (
        lambda x, y: mean_loss(x, y, "sum")
    ),
    "the sign is lost": lambda x, y: -mean_loss(x, y),
    "it is cut off from the graph": lambda x, y: mean_loss(x.detach(), y),
    "is a `return` missing?": lambda x, y: None,
    "is an .item() or float() too many?": lambda x, y: mean_loss(x, y).item(),
    "expected float32, got float64": lambda x, y: mean_loss(x.double(), y),
    "expected shape [], got [1]: a dimension of length 1 is too many": (
        lambda x, y: mean_loss(x, y)[None]
    ),
    "expected shape [], got [6]": lambda x, y: mean_loss(x, y, "none"),
    "every number must be finite, got inf": lambda x, y: mean_loss(x, y) / 0,
    "the gradient with respect to logits": lambda x, y: mean_loss(x.detach(), y) + 0 * x.sum(),
    "\nfor logits = [[": lambda x, y: mean_loss(x.sin(), y),
}


@pytest.mark.parametrize("words", WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_loss_is_told_by_its_name(words, seed):
    assert told(loss, mean_loss, seed) == ""
    try:
        message = told(loss, WRONG[words], seed)
    except Exception as error:  # noqa: BLE001 - the sandbox tells it as it stands
        message = str(error)
    assert words in message


def test_a_mistake_may_be_of_one_name_only():
    assert told(moments, lambda x: (x.mean(0), x.std(0))) == ""
    assert told(moments, lambda x: (x.mean(0), x.var(0))).startswith("this is the variance\n")
    assert "√n and √(n - 1)" in told(moments, lambda x: (x.mean(0), x.std(0, correction=0)))
    assert told(moments, lambda x: (2 * x.mean(0), x.std(0))).startswith("two means\n")
    wrong = told(moments, lambda x: (x.mean(0) + 1, x.std(0)))
    assert wrong.startswith("every number is 1 too large\nexpected mean to be")


def test_the_item_that_fails_is_shown():
    message = told(softmax, lambda x: torch.cat([x[:4].softmax(1), x[4:].sin()]))
    assert "at [4, 0], got" in message
    assert "\nfor x[4] = [" in message


def test_the_wrong_dimension_is_recognised():
    message = told(softmax, lambda x: x.softmax(0))
    assert message.startswith("this is computed along the wrong dimension of `x`\n")
    assert told(softmax, lambda x: x).startswith("this is `x` as it was given\n")


RIGHT = torch.tensor([[1.5, -2.0, 0.25], [4.0, 0.5, 3.0], [-1.0, 2.5, 7.0]])
NAMES = {
    "every number is 0": torch.zeros_like,
    "the sign is lost": torch.neg,
    "absolute value": torch.abs,
    "squared": torch.square,
    "exp of the right answer": torch.exp,
    "1 / the right answer": torch.reciprocal,
    "1 - the right answer": lambda x: 1 - x,
    "transposed": lambda x: x.T,
    "dimension 0 is the wrong way round": lambda x: x.flip(0),
    "dimension 1 is shifted by one place": lambda x: x.roll(-1, 1),
    "the right numbers in another order": lambda x: x.flatten()[torch.randperm(9)].reshape(3, 3),
    "exactly 3 times too small": lambda x: x / 3,
    "exactly 5 times too large, and of the wrong sign": lambda x: -5 * x,
    "bits and nats": lambda x: x / 0.6931472,
    "every number is 0.77 times the right one": lambda x: 0.77 * x,
    "every number is 2.5 too small": lambda x: x - 2.5,
    "every number is 3: they should differ": lambda x: torch.full_like(x, 3),
}


@pytest.mark.parametrize("words", NAMES)
def test_what_was_done_to_the_right_answer_is_recognised(words):
    torch.manual_seed(0)
    assert words in name_of(NAMES[words](RIGHT), RIGHT)
    assert words in close(NAMES[words](RIGHT), RIGHT).message


def test_what_has_no_name_gets_none():
    assert name_of(RIGHT.sin(), RIGHT) == ""
    assert close(RIGHT + 1e-7, RIGHT).ok
    near = close(RIGHT[1, 0] + 1e-6, RIGHT[1, 0], atol=1e-7, rtol=0)
    assert near.message == "expected the result to be 4, got 4 (off by 9.5e-07)"


@pytest.mark.parametrize("number", [1e308, 5e-324, float("inf"), float("nan"), -1e200])
def test_no_number_is_too_mad_for_a_name(number):
    given = {"x": torch.zeros(3, 4)}
    for right in (1.0, 1e-300, 0.0):
        came, expected = (torch.tensor(one, dtype=torch.float64) for one in (number, right))
        assert isinstance(name_of(came, expected, given), str)


def test_a_check_without_a_sentence_or_an_answer_is_refused():
    with pytest.raises(ValueError, match="no docstring"):
        check("a", "A", expect=lambda given: 0)(lambda lab, given: 0)
    with pytest.raises(ValueError, match="neither expect= nor probe="):

        @check("a", "A")
        def nothing(lab, given):
            """It is."""


def test_a07_what_came_in_place_of_a_loader_is_named():
    with pytest.raises(ReturnedError, match="expected a BatchLoader, got a DataLoader"):
        instance(DataLoader(RandomDataset(2, 2)), BatchLoader)


def test_a_short_training_looks_for_no_cluster(monkeypatch):
    # mpi4py starts MPI when Lightning asks it for a cluster, and in a sandbox that ends the process
    from lightning.pytorch.plugins.environments import MPIEnvironment

    def ask():
        pytest.fail("asked whether this is an MPI job")

    monkeypatch.setattr(MPIEnvironment, "detect", staticmethod(ask))
    model = BoringModel()
    before = model.layer.weight.clone()
    fit(model, DataLoader(RandomDataset(32, 2)))
    assert not torch.equal(model.layer.weight, before)


@moments.also("narrow", "Little to tell apart")
def narrow(rng):
    """The same of numbers near 1000."""
    return {"x": 1000 + torch.rand(BATCH, 3, generator=rng)}


def test_a_check_also_holds_of_other_values():
    assert (narrow.id, narrow.sentence) == ("narrow", "The same of numbers near 1000.")
    assert (narrow.depends_on, narrow.hint) == (("moments",), "moments")
    lab = SimpleNamespace(moments=lambda x: (x.mean(0), x.var(0)))
    assert run_here(narrow, lab, 0).message.startswith("this is the variance\n")
    assert "997" not in run_here(moments, lab, 0).message


@check(
    "rates",
    "Rates",
    given={"lr": 0.5, "steps": 4},
    expect={"last": 0.25, "warm": [True, False]},
    mistakes={"it never falls": {"last": 0.5}},
)
def rates(lab, given):
    """Numbers stand for tensors, given and expected."""
    return lab.rates(given.lr, int(given.steps))


def test_answers_may_be_plain_values():
    right = {"last": torch.tensor(0.25), "warm": torch.tensor([True, False])}
    assert told(rates, lambda lr, steps: right) == ""
    wrong = {**right, "last": torch.tensor(0.5)}
    assert told(rates, lambda lr, steps: wrong).startswith("it never falls\nexpected last to be")
    with pytest.raises(AttributeError, match="nothing that is given is called 'rate'"):
        run_here(rates, SimpleNamespace(rates=lambda lr, steps: Given(lr=lr).rate), 0)


def test_the_words_of_code_are_read_from_its_syntax_tree():
    def loops(x):
        """A string that says while, and cdist, counts for nothing."""
        return [torch.cdist(row, x) for row in x]  # nor does a comment: while

    def plain(x):
        return x.sum()

    assert "for" not in words_in(plain)
    assert "while" not in words_in(loops)
    assert {"for", "cdist", "torch", "x"} <= set(words_in(loops))
    with pytest.raises(ReturnedError, match="its source cannot be read"):
        words_in(torch.relu)


def test_what_the_doctor_imports_keeps_its_source():
    lab = find_lab(Path(__file__).parents[1], "01")
    module = module_of(lab, lab.solution.read_text("utf-8"))
    assert "log_softmax" in words_in(module.cross_entropy)
