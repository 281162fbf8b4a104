"""Lab 12: more looks of the same hundred pictures, made a batch at a time.

Work through the TODOs from top to bottom. `pytest labs/lab12_augment` checks them, `dllab hint 12
TASK` helps, `dllab train 12` learns ten pictures of each digit and grades the run.

Two rules hold in every task. Each item of a batch draws for itself, and no loop runs over items.
What is random is drawn from `rng`, a generator on the items' device, and from nothing else: the
same seed gives the same batch. Inputs stay as they are, and what comes out has their dtype and
device. B is items in a batch, C channels or classes, H and W rows and columns, T steps, D features
of a step.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .given import Batch, Classifier, FewLabels, one_hot, pixels

Data = FewLabels
Op = Callable[[Tensor, Tensor], Tensor]

# 1. Places ----------------------------------------------------------------------------------------


def uniform(size: int, low: float, high: float, rng: Generator) -> Tensor:
    """Draw float32 [size] from [low, high)."""
    return low + (high - low) * torch.rand(size, generator=rng, device=rng.device)


def whole(size: int, most: int, rng: Generator) -> Tensor:
    """Draw whole numbers from 0 up to `most`, and `most` itself, int64 [size]."""
    return torch.randint(most + 1, (size,), generator=rng, device=rng.device)


def coins(size: int, p: float, rng: Generator) -> Tensor:
    """Toss a coin for each item that shows True with probability p, bool [size]."""
    return uniform(size, 0.0, 1.0, rng) < p


def flip(image_BCHW: Tensor, coin_B: Tensor) -> Tensor:
    """Swap left and right where the coin shows True."""
    # BEGIN SOLUTION flip: return the pictures, [B, C, H, W].
    # W is the last dimension. A coin [B] must become [B, 1, 1, 1] to stand for a whole picture.
    return torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW)
    # END SOLUTION


def crop(image_BCHW: Tensor, top_B: Tensor, left_B: Tensor, pad: int, fill: float) -> Tensor:
    """Put `pad` pixels of value `fill` on all sides, then cut out a window as large as it was."""
    # BEGIN SOLUTION crop: return the windows, [B, C, H, W].
    # top_B and left_B, int64 from 0 to 2·pad, say at which row and column of the padded picture
    # its window begins. F.pad takes mode and value; tensor.unfold(dim, size, 1) views all windows
    # along a dimension, and B numbers of each kind pick one for each picture.
    padded = F.pad(image_BCHW, [pad] * 4, value=fill)
    windows = padded.unfold(2, image_BCHW.shape[2], 1).unfold(3, image_BCHW.shape[3], 1)
    return windows[torch.arange(len(image_BCHW), device=top_B.device), :, top_B, left_B]
    # END SOLUTION


def random_crop(image_BCHW: Tensor, pad: int, fill: float, rng: Generator) -> Tensor:
    """Crop each picture at a place of its own, all (2·pad + 1)² places being equally likely."""
    # BEGIN SOLUTION random-crop: return the pictures, each cropped at random.
    # Draw a row and a column for each picture with `whole`, and hand them to crop.
    size, most = len(image_BCHW), 2 * pad
    return crop(image_BCHW, whole(size, most, rng), whole(size, most, rng), pad, fill)
    # END SOLUTION


def boxes(
    row_B: Tensor, column_B: Tensor, height_B: Tensor, width_B: Tensor, size: tuple[int, int]
) -> Tensor:
    """A box for each picture of size (H, W), True inside, bool [B, 1, H, W]; all are int64 [B]."""
    # BEGIN SOLUTION boxes: return the masks, bool [B, 1, H, W].
    # A box covers `height` rows from row - height // 2 on, and `width` columns from
    # column - width // 2 on. What lies outside the picture is cut off. Compare torch.arange of H,
    # and of W, with both ends.
    top_B1, left_B1 = (row_B - height_B // 2)[:, None], (column_B - width_B // 2)[:, None]
    below_BH = torch.arange(size[0], device=row_B.device) - top_B1
    behind_BW = torch.arange(size[1], device=row_B.device) - left_B1
    row_BH = (below_BH >= 0) & (below_BH < height_B[:, None])
    column_BW = (behind_BW >= 0) & (behind_BW < width_B[:, None])
    return (row_BH[:, :, None] & column_BW[:, None, :])[:, None]
    # END SOLUTION


def cutout(image_BCHW: Tensor, side: int, fill: float, rng: Generator) -> Tensor:
    """Cover a square of `side` pixels a side in each picture (DeVries and Taylor, 2017)."""
    # BEGIN SOLUTION cutout: return the pictures, each with a square covered.
    # The middle is any pixel of the picture, all being equally likely: draw its row and column with
    # `whole`, for each picture. Squares at the border are cut off, as `boxes` does it.
    B, _, H, W = image_BCHW.shape
    row_B, column_B = whole(B, H - 1, rng), whole(B, W - 1, rng)
    side_B = torch.full_like(row_B, side)
    return image_BCHW.masked_fill(boxes(row_B, column_B, side_B, side_B, (H, W)), fill)
    # END SOLUTION


# 2. Looks, for float pictures from 0 to 1 ---------------------------------------------------------


def turn(image_BCHW: Tensor, angle_B: Tensor, zoom_B: Tensor) -> Tensor:
    """Turn each square picture anticlockwise by its angle, in radians, and enlarge it `zoom` times.

    The matrix leads from a place of the result to the place in the picture where its value comes
    from; places (x, y) run from -1 to 1, y downwards.
    """
    cos_B, sin_B, zero_B = angle_B.cos() / zoom_B, angle_B.sin() / zoom_B, torch.zeros_like(angle_B)
    rows = torch.stack([cos_B, -sin_B, zero_B]), torch.stack([sin_B, cos_B, zero_B])
    matrix_B23 = torch.stack(rows).permute(2, 0, 1)
    grid = F.affine_grid(matrix_B23, list(image_BCHW.shape), align_corners=False)
    return F.grid_sample(image_BCHW, grid, align_corners=False)


def light(image_BCHW: Tensor, contrast_B: Tensor, brightness_B: Tensor) -> Tensor:
    """Stretch the greys of each picture about its own mean, then add to them, within 0 and 1."""
    mean_B111 = image_BCHW.mean(dim=(1, 2, 3), keepdim=True)
    contrast_B111, brightness_B111 = (v[:, None, None, None] for v in (contrast_B, brightness_B))
    return (mean_B111 + contrast_B111 * (image_BCHW - mean_B111) + brightness_B111).clamp(0, 1)


# What rand_augment chooses from: functions of pictures and of an amount for each, from -1 to 1.
OPS: list[Op] = [
    lambda image, amount_B: turn(image, 0.5 * amount_B, torch.ones_like(amount_B)),
    lambda image, amount_B: turn(image, torch.zeros_like(amount_B), 1 + 0.3 * amount_B),
    lambda image, amount_B: light(image, 1 + 0.5 * amount_B, torch.zeros_like(amount_B)),
    lambda image, amount_B: light(image, torch.ones_like(amount_B), 0.3 * amount_B),
]


def rand_augment(
    image_BCHW: Tensor, ops: Sequence[Op], rounds: int, strength: float, rng: Generator
) -> Tensor:
    """In each round, do one of `ops` to each picture (a light RandAugment, Cubuk et al., 2020)."""
    # BEGIN SOLUTION rand-augment: return the pictures after all rounds.
    # A round draws for each picture which op it gets, all being equally likely, and an amount from
    # -strength to strength. An op takes a whole batch and its amounts: let each of them do all
    # pictures, stack what comes out, [ops, B, C, H, W], and pick. Loop over rounds and ops only.
    size = len(image_BCHW)
    for _ in range(rounds):
        op_B = whole(size, len(ops) - 1, rng)
        amount_B = uniform(size, -strength, strength, rng)
        looks = torch.stack([op(image_BCHW, amount_B) for op in ops])
        image_BCHW = looks[op_B, torch.arange(size, device=op_B.device)]
    return image_BCHW
    # END SOLUTION


# 3. Pictures and labels that are mixed ------------------------------------------------------------


def mixup(
    image_BCHW: Tensor, target_BC: Tensor, share_B: Tensor, partner_B: Tensor
) -> tuple[Tensor, Tensor]:
    """Lay each picture over its partner's (Zhang et al., 2018); partner_B are indices, int64.

    Pictures are float, targets are probabilities of classes, float. A share is from 0 to 1.
    """
    # BEGIN SOLUTION mixup: return the pictures and their targets.
    # Item b is share · its own + (1 - share) · its partner's, in the picture and in the target.
    share_B1, share_B111 = share_B[:, None], share_B[:, None, None, None]
    image = share_B111 * image_BCHW + (1 - share_B111) * image_BCHW[partner_B]
    return image, share_B1 * target_BC + (1 - share_B1) * target_BC[partner_B]
    # END SOLUTION


def cutmix(
    image_BCHW: Tensor,
    target_BC: Tensor,
    share_B: Tensor,
    partner_B: Tensor,
    middle: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Paste a box of its partner into each picture (Yun et al., 2019).

    `middle` is its row and its column, int64 [B] each; the rest is as in mixup.
    """
    # BEGIN SOLUTION cutmix: return the pictures and their targets.
    # A box has round(H · √(1 - share)) rows and round(W · √(1 - share)) columns, int64, and shows
    # the partner at the same place. `boxes` cuts it off at the border: so the target goes by the
    # share of its own pixels that a picture has kept in truth, counted in the mask.
    H, W = image_BCHW.shape[2:]
    root_B = (1 - share_B).sqrt()
    height_B, width_B = (H * root_B).round().long(), (W * root_B).round().long()
    box_B1HW = boxes(*middle, height_B, width_B, (H, W))
    kept_B1 = 1 - box_B1HW.flatten(1).to(target_BC.dtype).mean(1, keepdim=True)
    target = kept_B1 * target_BC + (1 - kept_B1) * target_BC[partner_B]
    return torch.where(box_B1HW, image_BCHW[partner_B], image_BCHW), target
    # END SOLUTION


def soft_cross_entropy(logits_BC: Tensor, target_BC: Tensor) -> Tensor:
    """Cross-entropy for targets that are probabilities, float []."""
    # BEGIN SOLUTION soft-loss: return the loss of the batch, float [].
    # That is the mean over the batch of -Σ target · log p. The sum is over classes, and p is
    # softmax(logits). F.log_softmax stays finite where log does not.
    return -(target_BC * F.log_softmax(logits_BC, dim=1)).sum(1).mean()
    # END SOLUTION


# 4. Series and texts, whose padding stays ---------------------------------------------------------


def real_steps(lengths_B: Tensor, steps: int) -> Tensor:
    """True at the steps before an item's length, bool [B, steps]."""
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]


def add_noise(series_BTD: Tensor, lengths_B: Tensor, snr_B: Tensor, rng: Generator) -> Tensor:
    """Add normal noise to each series, `snr` decibels below it; padding stays as it is.

    The ratio is 10 · log10(P / s²), with P the mean square of the series and s the standard
    deviation of the noise.
    """
    # BEGIN SOLUTION noise: return the noisy series, [B, T, D].
    # P is the mean of an item's squares, over its real steps and all features: padding must not
    # count. Solve the formula for s. torch.randn takes generator= and device=, like torch.rand.
    real_BT1 = real_steps(lengths_B, series_BTD.shape[1])[:, :, None]
    squares_B = (series_BTD.square() * real_BT1).sum(dim=(1, 2))
    power_B = squares_B / (lengths_B * series_BTD.shape[2])
    sigma_B = (power_B / 10 ** (snr_B / 10)).sqrt()
    drawn = torch.randn(series_BTD.shape, generator=rng, device=rng.device)
    return torch.where(real_BT1, series_BTD + sigma_B[:, None, None] * drawn, series_BTD)
    # END SOLUTION


def time_warp(series_BTD: Tensor, lengths_B: Tensor, bend_B: Tensor) -> Tensor:
    """Let each series run slower at first and faster later, or the reverse; its ends stay.

    Step t of the result shows the series at the place (L - 1) · (t / (L - 1)) ** exp(bend), where L
    is the item's length, at least 1. Between steps the series is a straight line.
    """
    # BEGIN SOLUTION time-warp: return the warped series, [B, T, D].
    # Padding stays as it is. Compute place_BT for all steps, then the steps before and behind it,
    # low and low + 1, neither beyond L - 1; take_along_dim fetches both from the series. Let no
    # item divide by L - 1 = 0, and keep the places of padding within the series.
    T = series_BTD.shape[1]
    last_B1 = (lengths_B - 1)[:, None]
    time_BT = torch.arange(T, device=lengths_B.device) / last_B1.clamp(min=1)
    place_BT = last_B1 * time_BT.clamp(max=1) ** bend_B.exp()[:, None]
    low_BT = place_BT.floor().long()
    high_BT = torch.minimum(low_BT + 1, last_B1)
    low, high = (series_BTD.take_along_dim(i[:, :, None], 1) for i in (low_BT, high_BT))
    warped = low + (place_BT - low_BT)[:, :, None] * (high - low)
    return torch.where(real_steps(lengths_B, T)[:, :, None], warped, series_BTD)
    # END SOLUTION


def drop_words(
    token_BT: Tensor, lengths_B: Tensor, p: float, pad: int, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Leave out each word with probability p and close the gaps; tokens and lengths are int64.

    A text keeps at least one word, whatever is drawn, and the order of its words. Its length tells
    which tokens are words: one of them may equal `pad`.
    """
    # BEGIN SOLUTION drop-words: return the tokens, [B, T], and the lengths, [B].
    # Draw a number from 0 to 1 for each token. A real word stays if its number is at least p, or if
    # it is the largest of its text. A stable argsort of `not kept` brings what is kept to the front
    # in its order; what is behind the new length becomes `pad`.
    T = token_BT.shape[1]
    real_BT = real_steps(lengths_B, T)
    drawn_BT = torch.rand(token_BT.shape, generator=rng, device=rng.device)
    drawn_BT = drawn_BT.masked_fill(~real_BT, -1.0)
    kept_BT = real_BT & ((drawn_BT >= p) | (drawn_BT == drawn_BT.amax(1, keepdim=True)))
    order_BT = (~kept_BT).to(torch.uint8).argsort(dim=1, stable=True)
    length_B = kept_BT.sum(1)
    closed_BT = token_BT.gather(1, order_BT)
    return closed_BT.masked_fill(~real_steps(length_B, T), pad), length_B
    # END SOLUTION


# 5. The training ----------------------------------------------------------------------------------


class Model(Classifier):
    """A small convolutional network that learns from varied pictures, and is judged by plain ones.

    What varies them is named by the config: `pad` pixels of crop, `flip`, `rounds` of rand_augment
    with a `strength`, a `side` of cutout, and `mix`: none, mixup or cutmix.
    """

    def __init__(
        self,
        *,
        pad: int = 1,
        flip: bool = False,
        rounds: int = 1,
        strength: float = 1.0,
        side: int = 0,
        mix: str = "cutmix",
        **network: Any,
    ) -> None:
        super().__init__(loss=soft_cross_entropy, **network)
        self.pad, self.flip, self.side = pad, flip, side
        self.rounds, self.strength, self.mix = rounds, strength, mix

    def vary(self, batch: Batch, rng: Generator) -> Batch:
        """Another look of a raw batch: float "image" [B, 1, 8, 8] and "target" [B, C]."""
        image, target = pixels(batch["image"]), one_hot(batch["label"], self.classes)
        draw = partial(uniform, len(image), rng=rng)
        if self.pad:
            image = random_crop(image, self.pad, 0.0, rng)
        if self.flip:
            image = flip(image, coins(len(image), 0.5, rng))
        image = rand_augment(image, OPS, self.rounds, self.strength, rng)
        if self.side:
            image = cutout(image, self.side, 0.0, rng)
        if self.mix != "none":
            partner_B = draw(0.0, 1.0).argsort()
            share_B = draw(0.0, 1.0)
            row_B, column_B = (whole(len(image), length - 1, rng) for length in image.shape[2:])
            if self.mix == "cutmix":
                image, target = cutmix(image, target, share_B, partner_B, (row_B, column_B))
            else:
                image, target = mixup(image, target, share_B, partner_B)
        return {"image": image, "target": target}

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Lightning passes each batch through here, of training and of validation alike."""
        # BEGIN SOLUTION training-batch: return the batch, varied in training.
        # self.vary(batch, rng) varies, self.generator() gives the rng of this step, self.training
        # tells the mode. Batches that a model is judged by stay as they came.
        if not self.training:
            return batch
        return self.vary(batch, self.generator())
        # END SOLUTION
