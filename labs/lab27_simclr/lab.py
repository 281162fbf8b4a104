"""Lab 27: features without a label, from two views of each picture, and how to judge them.

Work through the TODOs from top to bottom. `pytest labs/lab27_simclr` checks them, `dllab hint 27
TASK` helps, `dllab train 27` pre-trains an encoder and grades the run, `dllab dream 27` shows its
neighbours and its map.

Shapes stand in the names: B pictures, V = 2·B views, D features, N items, L labelled ones, C
classes. What is random is drawn from `rng`. Inputs stay as they are.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .given import (
    Data,
    Encoder,
    Pretraining,
    Unlabelled,
    look,
    make_head,
    patch_grid,
    pixels,
    spread,
    whole_patches,
)

__all__ = ["Data", "Model"]

# 1. Views of one picture are near, all others far -------------------------------------------------


def two_views(
    image_BCHW: Tensor, see: Callable[[Tensor, Generator], Tensor], rng: Generator
) -> Tensor:
    """Two views of each picture, [2·B, C, H, W]: the first of all B, then the second of all B.

    `see(image_BCHW, rng)` gives one view of each. So views v and v + B show the same picture.
    """
    # TODO two-views: return the views, float32 [2·B, C, H, W].
    raise NotImplementedError("TODO two-views: return the views, float32 [2·B, C, H, W].")


def similarities(z_VD: Tensor, temperature: float) -> Tensor:
    """Cosine similarities of all views, divided by the temperature, [V, V].

    That of a view with itself is -inf: it does not answer the question which other view is meant.
    """
    # TODO similarities: return the matrix, float32 [V, V].
    # The cosine is the product of vectors of length 1. F.normalize(z, dim=1) makes such.
    # torch.eye(V) or fill_diagonal_ marks a view with itself.
    raise NotImplementedError("TODO similarities: return the matrix, float32 [V, V].")


def partners(views: int) -> Tensor:
    """Which view shows the same picture as view v, for each v, int64 [V]."""
    # TODO partners: return the places, int64 [V].
    # 0 belongs to V/2, and V/2 to 0.
    raise NotImplementedError("TODO partners: return the places, int64 [V].")


def nt_xent(z_VD: Tensor, temperature: float) -> Tensor:
    """The normalised, temperature-scaled cross-entropy of Chen and others (2020), float32 [].

    Each view asks: of all others, which is my partner?
    """
    # TODO nt-xent: return the mean over all views, float32 [].
    # The similarities of a view are logits, its partner is the class. A view's own -inf drops out.
    raise NotImplementedError("TODO nt-xent: return the mean over all views, float32 [].")


def found(z_VD: Tensor) -> Tensor:
    """The share of views whose partner is the most similar of all others, float32 []."""
    best_V = similarities(z_VD, 1.0).argmax(dim=1)
    return (best_V == partners(len(z_VD)).to(z_VD.device)).float().mean()


# 2. Other questions that need no label ------------------------------------------------------------


def turns(image_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Each square picture turned by 0, 90, 180 and 270 degrees, and by how much (RotNet, 2018).

    Pictures [4·B, C, H, W], first all that are not turned; int64 [4·B] counts the quarter turns,
    anticlockwise.
    """
    # TODO turns: return the pictures and their quarter turns.
    # torch.rot90(image, k, dims=(2, 3)) turns anticlockwise.
    raise NotImplementedError("TODO turns: return the pictures and their quarter turns.")


def hide(image_BCHW: Tensor, patch: int, share: float, rng: Generator) -> Tensor:
    """Draw which pixels of each picture are hidden, by patches, True where hidden, [B, 1, H, W].

    Of the P patches of patch x patch pixels, round(share · P) are hidden, others in each picture.
    """
    # TODO hide: return the mask, bool [B, 1, H, W].
    # whole_patches(size, patch) counts patches, patch_grid(chosen_BP, size, patch) makes pixels of
    # them. Draw a number for each patch, [B, P], by torch.rand with generator=rng and
    # device=rng.device. argsort twice gives the rank of each; the lowest are hidden.
    raise NotImplementedError("TODO hide: return the mask, bool [B, 1, H, W].")


def masked_loss(guess_BCHW: Tensor, image_BCHW: Tensor, hidden_B1HW: Tensor) -> Tensor:
    """The mean squared error over hidden pixels alone, float32 []: what is seen can be copied."""
    # TODO masked-loss: return the loss, float32 [].
    # The mean is over all hidden numbers of the batch; the mask serves all channels.
    raise NotImplementedError("TODO masked-loss: return the loss, float32 [].")


# 3. What features are good for --------------------------------------------------------------------


def linear_probe(
    h_LD: Tensor, label_L: Tensor, h_ND: Tensor, classes: int, ridge: float = 10.0
) -> Tensor:
    """Scores of the classes, float32 [N, C], by a linear classifier of L labelled items' features.

    Features are centred and scaled to deviation 1, then least squares with a ridge fits targets of
    1 for the class and 0 for others. The encoder itself is not trained.
    """
    # TODO linear-probe: return the scores, float32 [N, C].
    # What is centred and scaled by: mean and standard deviation (correction=0) of the L labelled
    # items, for both; never scale by less than 1e-6. Targets Y [L, C]: F.one_hot. The weights solve
    # (XᵀX + ridge · I) W = XᵀY: torch.linalg.solve(A, B).
    raise NotImplementedError("TODO linear-probe: return the scores, float32 [N, C].")


def neighbours(h_ND: Tensor, k: int) -> Tensor:
    """The k items most similar to each by cosine, the nearest first, itself left out, [N, k]."""
    # TODO neighbours: return their places, int64 [N, k].
    raise NotImplementedError("TODO neighbours: return their places, int64 [N, k].")


def effective_rank(h_ND: Tensor) -> Tensor:
    """How many directions features vary in, float32 [], from 1 to D (Roy and Vetterli, 2007).

    exp of the entropy of the singular values of the centred features, as shares of their sum.
    """
    # TODO rank: return the effective rank, float32 [].
    # torch.linalg.svdvals gives singular values; a share of 0 adds nothing: torch.special.entr.
    raise NotImplementedError("TODO rank: return the effective rank, float32 [].")


# 4. Pre-training ----------------------------------------------------------------------------------


class Model(Pretraining):
    """An encoder, whose features are kept, under a head, which answers the pretext task.

    `pretext` is contrast, turn or mask; `strength` and `flip` are those of `look`.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        pretext: str = "contrast",
        temperature: float = 0.2,
        strength: float = 1.0,
        flip: bool = False,
        patch: int = 2,
        share: float = 0.5,
        lr: float = 0.003,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(lr=lr, weight_decay=weight_decay)
        self.pretext, self.temperature = pretext, temperature
        self.strength, self.flip = strength, flip
        self.patch, self.share = patch, share
        self.encoder = Encoder(width)
        self.head = make_head(pretext, 4 * width)

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """What the encoder makes of raw pictures, float32 [N, D]: all that the scorer asks for."""
        # TODO features: return the features, float32 [N, D].
        # The head belongs to the pretext task: leave it out. Pictures are uint8: `pixels` first.
        raise NotImplementedError("TODO features: return the features, float32 [N, D].")

    def see(self, image_BCHW: Tensor, rng: Generator) -> Tensor:
        """One view of each float picture."""
        return look(image_BCHW, self.strength, self.flip, rng)

    def loss(self, batch: Unlabelled, rng: Generator) -> Tensor:
        """The loss of the pretext task on the pictures of a batch, float32 []."""
        image = pixels(batch["image"])
        # TODO loss: return the loss of self.pretext, float32 [].
        # In each, self.head answers what self.encoder saw. contrast: nt_xent of two_views(image,
        # self.see, rng). turn: cross-entropy of `turns` of one view. mask: hide() by self.patch and
        # self.share, black out what is hidden, and hold the head's pixels against the picture's.
        raise NotImplementedError("TODO loss: return the loss of self.pretext, float32 [].")

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the loss of new pictures, how many views are found, and what features look like."""
        rng = Generator(self.device).manual_seed(batch_idx)
        image = batch["image"]
        h_VD = self.encoder(two_views(pixels(image), self.see, rng))
        curves = {
            "val/loss": self.loss(Unlabelled(batch), rng),
            "val/found": found(h_VD),
            "val/rank": effective_rank(h_VD),
            "val/spread": spread(h_VD),
        }
        self.log_dict(curves, batch_size=len(image), sync_dist=True)
