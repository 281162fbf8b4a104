"""Lab 28: forty labels, and what pictures without labels, cheap rules and good questions add.

Work through the TODOs from top to bottom. `pytest labs/lab28_few_labels` checks them, `dllab hint
28 TASK` helps, `dllab train 28` learns digits from forty labels and grades the run.

Shapes stand in the names: N or B items, L labelled and U unlabelled ones, C classes, D features, F
labelling functions. What is random is drawn from `rng`. Inputs stay as they are.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dllab.data.module import SplitData

from .given import Batch, Classifier, ask_linear, fit_linear, strong_view, weak_view

ABSTAIN = -1  # the vote of a labelling function that has nothing to say
SURE = 0.8  # from here on a label is worth its risk, where a wrong one costs four right ones

# 1. Pseudo-labels and consistency -----------------------------------------------------------------


def choose_few(label_N: Tensor, per_class: int, rng: Generator) -> Tensor:
    """Draw which items keep their labels: places int64 [C · per_class], in rising order."""
    # BEGIN SOLUTION choose-few: return the places, int64 [C · per_class].
    # Of each class that occurs, `per_class` different items, all being equally likely.
    # torch.randperm(n, generator=rng) shuffles; the items of class c are (label_N == c).nonzero().
    chosen = []
    for c in label_N.unique():
        item_K = (label_N == c).nonzero()[:, 0]
        chosen.append(item_K[torch.randperm(len(item_K), generator=rng)[:per_class]])
    return torch.cat(chosen).sort().values
    # END SOLUTION


def pseudo_labels(logits_UC: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """What a network is sure of: its first choices, int64 [U], and whether they count, bool [U].

    A choice counts if its probability is at least `threshold` (Lee, 2013).
    """
    # BEGIN SOLUTION pseudo-labels: return the labels and which count, [U] each.
    # The probability is that of the softmax over classes.
    sure_U, label_U = logits_UC.softmax(dim=1).max(dim=1)
    return label_U, sure_U >= threshold
    # END SOLUTION


def consistency(weak_UC: Tensor, strong_UC: Tensor, threshold: float) -> Tensor:
    """FixMatch's loss of pictures without labels, float32 [] (Sohn et al., 2020).

    1/U · Σ_u [max p_u ≥ threshold] · (-log q_u[argmax p_u]) for p, q the softmax of the logits of
    the weak and of the strong view.
    """
    # BEGIN SOLUTION consistency: return the loss, float32 [].
    # The weak view tells the label and whether it counts: neither has a gradient. The mean runs
    # over all U, not over those that count, so that few sure ones teach little.
    label_U, counts_U = pseudo_labels(weak_UC, threshold)
    loss_U = F.cross_entropy(strong_UC, label_U, reduction="none")
    return (loss_U * counts_U).mean()
    # END SOLUTION


def self_train(
    x_LD: Tensor, label_L: Tensor, x_UD: Tensor, classes: int, *, threshold: float, rounds: int
) -> Tensor:
    """Let a linear classifier teach itself: its probabilities for the unlabelled, [U, C].

    fit_linear(x, target) and ask_linear(weight, x) are the classifier; targets are one-hot, of the
    dtype of x.
    """
    # BEGIN SOLUTION self-train: return the last probabilities, [U, C].
    # First fit the labelled items alone. Then, in each of `rounds`, fit those together with the
    # unlabelled whose first choice has at least `threshold` now: choose afresh in every round.
    target_LC = F.one_hot(label_L, classes).to(x_LD.dtype)
    p_UC = ask_linear(fit_linear(x_LD, target_LC), x_UD)
    for _ in range(rounds):
        sure_U, label_U = p_UC.max(dim=1)
        keep_U = sure_U >= threshold
        target_UC = F.one_hot(label_U[keep_U], classes).to(x_LD.dtype)
        weight = fit_linear(torch.cat([x_LD, x_UD[keep_U]]), torch.cat([target_LC, target_UC]))
        p_UC = ask_linear(weight, x_UD)
    return p_UC
    # END SOLUTION


# 2. Labelling functions ---------------------------------------------------------------------------


def keyword_votes(token_NT: Tensor, length_N: Tensor, word_FW: Tensor, label_F: Tensor) -> Tensor:
    """What each labelling function says of each text, int64 [N, F].

    Function f says label_F[f] of a text that holds one of its words word_FW[f], ids int64 [W], and
    else ABSTAIN. What stands behind a text's length is padding.
    """
    # BEGIN SOLUTION keyword-votes: return the votes, int64 [N, F].
    # Compare [N, 1, 1, T] with [F, W, 1], and look only at places below the length.
    real_NT = torch.arange(token_NT.shape[1]) < length_N[:, None]
    same_NFWT = token_NT[:, None, None, :] == word_FW[:, :, None]
    found_NF = (same_NFWT & real_NT[:, None, None, :]).any(dim=3).any(dim=2)
    return torch.where(found_NF, label_F, ABSTAIN)
    # END SOLUTION


def majority(vote_NF: Tensor, classes: int) -> Tensor:
    """The share of the votes that each class gets, float64 [N, C]; 1 / C if all abstain."""
    # BEGIN SOLUTION majority: return the shares, float64 [N, C].
    # Compare votes [N, F, 1] with torch.arange(classes). ABSTAIN is not a class.
    count_NC = (vote_NF[:, :, None] == torch.arange(classes)).double().sum(dim=1)
    total_N1 = count_NC.sum(dim=1, keepdim=True)
    return torch.where(total_N1 > 0, count_NC / total_N1.clamp(min=1), 1 / classes)
    # END SOLUTION


def kappa(first_N: Tensor, second_N: Tensor, classes: int) -> Tensor:
    """How far two annotators agree beyond chance, Cohen's kappa, float64 [].

    (a - e) / (1 - e): a is the share of items on which they agree, e the share to be expected if
    each said what they say as often as they do, without looking (Cohen, 1960).
    """
    # BEGIN SOLUTION kappa: return the agreement, float64 [].
    # e = Σ_c (share of c for the first) · (share of c for the second).
    agree = (first_N == second_N).double().mean()
    share = [F.one_hot(said_N, classes).double().mean(dim=0) for said_N in (first_N, second_N)]
    chance = (share[0] * share[1]).sum()
    return (agree - chance) / (1 - chance)
    # END SOLUTION


def annotators(vote_NF: Tensor, belief_NC: Tensor, smooth: float) -> tuple[Tensor, Tensor]:
    """What beliefs say of classes and voters: prior [C] and confusion [F, C, C], float64.

    confusion[f, t, v] is the chance that f votes v where t is true and f votes at all.
    """
    # BEGIN SOLUTION annotators: return prior and confusions.
    # The prior is the mean belief. Of f, t and v, sum the beliefs in t over items on which f voted
    # v, add `smooth`, and divide by the sum over v. Those who abstain do not count.
    classes = belief_NC.shape[1]
    said_NFV = (vote_NF[:, :, None] == torch.arange(classes)).double()
    count_FTV = torch.einsum("nt,nfv->ftv", belief_NC, said_NFV) + smooth
    return belief_NC.mean(dim=0), count_FTV / count_FTV.sum(dim=2, keepdim=True)
    # END SOLUTION


def beliefs(vote_NF: Tensor, prior_C: Tensor, confusion_FCC: Tensor) -> Tensor:
    """The probability of each class, given all votes on an item, float64 [N, C].

    p(t | votes) ∝ prior[t] · Π_f confusion[f, t, vote_f] over the f that voted: they are taken to
    err independently, given the truth (Dawid and Skene, 1979).
    """
    # BEGIN SOLUTION beliefs: return the probabilities, float64 [N, C].
    # A product of hundreds of chances is 0 in floating point: sum logarithms, then softmax.
    said_NFV = (vote_NF[:, :, None] == torch.arange(len(prior_C))).double()
    log_NT = torch.einsum("nfv,ftv->nt", said_NFV, confusion_FCC.log())
    return (log_NT + prior_C.log()).softmax(dim=1)
    # END SOLUTION


def dawid_skene(vote_NF: Tensor, classes: int, rounds: int = 30, smooth: float = 0.1) -> Tensor:
    """The beliefs that votes and the voters' own records agree on, float64 [N, C]."""
    # BEGIN SOLUTION dawid-skene: return the last beliefs, float64 [N, C].
    # Begin with the majority. In each round judge the annotators by the beliefs, then form beliefs
    # anew: expectation and maximisation.
    belief_NC = majority(vote_NF, classes)
    for _ in range(rounds):
        prior_C, confusion_FCC = annotators(vote_NF, belief_NC, smooth)
        belief_NC = beliefs(vote_NF, prior_C, confusion_FCC)
    return belief_NC
    # END SOLUTION


# 3. Questions -------------------------------------------------------------------------------------


def margins(p_NC: Tensor) -> Tensor:
    """How far the first choice is ahead of the second: the difference of probabilities, [N]."""
    # BEGIN SOLUTION margins: return the margins, [N].
    # topk finds both.
    best_N2 = p_NC.topk(2, dim=1).values
    return best_N2[:, 0] - best_N2[:, 1]
    # END SOLUTION


def query_margin(p_NC: Tensor, asked_N: Tensor, count: int) -> Tensor:
    """The items with the smallest margins, the smallest first, int64 [count].

    asked_N, bool, says whose label is known: those are not asked again.
    """
    # BEGIN SOLUTION query-margin: return the items to ask for, int64 [count].
    # Give those that were asked a margin that nobody reaches.
    return margins(p_NC).masked_fill(asked_N, torch.inf).argsort(stable=True)[:count]
    # END SOLUTION


def query_core_set(x_ND: Tensor, asked_N: Tensor, count: int) -> Tensor:
    """Items that cover the pool, int64 [count]: each is the one farthest from all chosen so far.

    Chosen are, to begin with, those that were asked (Sener and Savarese, 2018). At least one was.
    """
    # BEGIN SOLUTION query-core-set: return the items to ask for, int64 [count].
    # torch.cdist gives Euclidean distances. Keep, for each item, the distance to the nearest chosen
    # one; the item with the largest is next, and may bring the others nearer.
    near_N = torch.cdist(x_ND, x_ND[asked_N]).amin(dim=1)
    chosen = []
    for _ in range(count):
        item = near_N.argmax()
        chosen.append(item)
        near_N = near_N.minimum(torch.cdist(x_ND, x_ND[item][None])[:, 0])
    return torch.stack(chosen)
    # END SOLUTION


def query(p_NC: Tensor, x_ND: Tensor, asked_N: Tensor, count: int, widen: int = 4) -> Tensor:
    """Doubtful items that are not all alike, int64 [count]."""
    # BEGIN SOLUTION query: return the items to ask for, int64 [count].
    # Of the widen · count items with the smallest margins, which are not asked, choose a core set
    # that keeps away from what was asked. Near the end fewer are left, but at least `count`.
    doubt_M = query_margin(p_NC, asked_N, widen * count)
    known_K = asked_N.nonzero()[:, 0]
    part = torch.cat([known_K, doubt_M])
    known = torch.arange(len(part)) < len(known_K)
    return part[query_core_set(x_ND[part], known, count)]
    # END SOLUTION


# 4. The training ----------------------------------------------------------------------------------


class Data(SplitData):
    """A training split of which few items have labels: a batch holds as many of either sort.

    "image" is of all items, "few" and "label" are of those that keep their labels, over and over.
    Which these are depends on `draw` alone, so that runs of other seeds can be compared.
    """

    def __init__(self, *, per_class: int = 4, draw: int = 0, **splits: Any) -> None:
        super().__init__(**splits)
        self.per_class, self.draw = per_class, draw

    def setup(self, stage: str | None = None) -> None:
        """Load both splits, and forget all labels but a few."""
        super().setup(stage)
        # BEGIN SOLUTION setup: set self.train to what is said above.
        # self.train is the whole split. choose_few by a generator of seed self.draw; item n of the
        # split stands beside number n % L of the L chosen. No other label is kept.
        rng = Generator().manual_seed(self.draw)
        image_N, label_N = self.train["image"], self.train["label"]
        few_L = choose_few(label_N, self.per_class, rng)
        beside_N = few_L[torch.arange(len(image_N)) % len(few_L)]
        self.train = {"image": image_N, "few": image_N[beside_N], "label": label_N[beside_N]}
        # END SOLUTION


class Model(Classifier):
    """A small network that learns by FixMatch; `weight` is that of the pictures without labels."""

    def __init__(self, *, threshold: float = 0.8, weight: float = 1.0, **network: Any) -> None:
        super().__init__(**network)
        self.threshold, self.weight = threshold, weight

    def loss(
        self,
        batch: Batch,
        rng: Generator,
        weak: Callable[[Tensor, Generator], Tensor] = weak_view,
        strong: Callable[[Tensor, Generator], Tensor] = strong_view,
    ) -> Tensor:
        """What training makes small: a batch's loss with labels, and without, float32 []."""
        # BEGIN SOLUTION fixmatch: return the loss of the batch, float32 [].
        # `batch` holds "image", "few" and "label". Cross-entropy of the weak views of "few" with
        # their labels, and self.weight times the consistency of both views of "image". self(...)
        # takes float pictures: self.pixels(...) comes before a view.
        few, image = self.pixels(batch["few"]), self.pixels(batch["image"])
        known = F.cross_entropy(self(weak(few, rng)), batch["label"])
        looks = self(weak(image, rng)), self(strong(image, rng))
        return known + self.weight * consistency(*looks, self.threshold)
        # END SOLUTION

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = self.loss(batch, self.generator())
        self.log("train/loss", loss)
        return loss

    # What the scorer asks, each time about a world of its own -------------------------------------

    def learn(self, x_UD: Tensor, x_LD: Tensor, label_L: Tensor, classes: int) -> Tensor:
        """Labels for unlabelled items, int64 [U], or ABSTAIN: a wrong one costs four right ones."""
        p_UC = self_train(x_LD, label_L, x_UD, classes, threshold=SURE, rounds=3)
        label_U, counts_U = pseudo_labels(p_UC.log(), SURE)
        return torch.where(counts_U, label_U, ABSTAIN)

    def vote(self, token_NT: Tensor, length_N: Tensor, word_FW: Tensor, label_F: Tensor) -> Tensor:
        """What labelling functions say of texts, int64 [N, F]."""
        return keyword_votes(token_NT, length_N, word_FW, label_F)

    def annotate(self, vote_NF: Tensor, classes: int) -> Tensor:
        """The beliefs that votes give, float64 [N, C]."""
        return dawid_skene(vote_NF, classes)

    def ask(self, x_ND: Tensor, p_NC: Tensor, asked_N: Tensor, count: int) -> Tensor:
        """Which labels to ask for, int64 [count]."""
        return query(p_NC, x_ND, asked_N, count)
