"""Lab 04: what a network learned from a million photographs, put to work on a few labels.

Work through the TODOs from top to bottom. `pytest labs/lab04_transfer` checks them, `dllab hint 04
TASK` helps, `dllab train 04` trains both arms and grades the run.

Shapes stand in the names: B images, C channels, H rows, W columns, N items, F features.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, load
from labs.lab04_transfer.given import build, load_pretrained


def few_labels(label_N: Tensor, per_class: int, seed: int) -> Tensor:
    """Choose `per_class` items of every class at random: their numbers, int64 [classes·per_class].

    No item is chosen twice. Another seed chooses others, the same seed the same.
    """
    # BEGIN SOLUTION few-labels: return the numbers of the chosen items.
    # The classes are all values that occur in label_N, at least `per_class` times each. Shuffle the
    # numbers 0 … N-1 with torch.randperm and a torch.Generator of your own, seeded with `seed`; the
    # first `per_class` of each class in that order are a fair draw. The order returned is yours.
    generator = torch.Generator().manual_seed(seed)
    order_N = torch.randperm(len(label_N), generator=generator)
    of_class = [order_N[label_N[order_N] == c] for c in label_N.unique()]
    return torch.cat([numbers[:per_class] for numbers in of_class])
    # END SOLUTION


def preprocess(image_BCHW: Tensor, size: int, mean_3: Tensor, std_3: Tensor) -> Tensor:
    """What a pretrained network expects to see: float32 [B, 3, size, size].

    Images come as uint8 [B, 1 or 3, H, W]. `mean_3` and `std_3` are the constants of the network's
    own training, in the units of the pixels: 0 to 255.
    """
    # BEGIN SOLUTION preprocess: return the prepared images, [B, 3, size, size].
    # F.interpolate(…, mode="bilinear", align_corners=False) resizes; make the image float before,
    # since uint8 would be rounded without a word. A grey pixel is one whose R, G and B are equal:
    # expand the channel. Then channel c becomes (x - mean_3[c]) / std_3[c].
    x_BCHW = F.interpolate(
        image_BCHW.float(), size=(size, size), mode="bilinear", align_corners=False
    )
    return (x_BCHW.expand(-1, 3, -1, -1) - mean_3[:, None, None]) / std_3[:, None, None]
    # END SOLUTION


def unfreeze_last(stages: Sequence[nn.Module], count: int) -> None:
    """Let the parameters of the last `count` stages learn, and freeze those of all others."""
    # BEGIN SOLUTION unfreeze: set requires_grad in every stage.
    # module.requires_grad_(flag) sets it for all parameters of a module. `count` may be 0.
    for number, stage in enumerate(stages):
        stage.requires_grad_(number >= len(stages) - count)
    # END SOLUTION


def parameter_groups(
    head: nn.Module, stages: Sequence[nn.Module], lr: float, decay: float
) -> list[dict[str, Any]]:
    """Parameter groups with discriminative learning rates (Howard & Ruder, 2018).

    The head learns at `lr`, the last stage at lr·decay, the one below at lr·decay², and so on: the
    nearer to the pixels, the more general the features, and the smaller the steps.
    """
    # BEGIN SOLUTION parameter-groups: return a list of groups, head first.
    # Each is {"params": a list of parameters, "lr": its rate}. Behind the head come the stages,
    # from the last to the first, however many there are. Take in those that are frozen now: an
    # optimiser passes over them until they thaw.
    groups = [{"params": list(head.parameters()), "lr": lr}]
    for depth, stage in enumerate(reversed(stages), start=1):
        groups.append({"params": list(stage.parameters()), "lr": lr * decay**depth})
    return groups
    # END SOLUTION


def mirror(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Swap left and right in half of the images: few labels make every variation precious."""
    image_BCHW = batch["image"]
    coin_B = torch.rand(len(image_BCHW), device=image_BCHW.device) < 0.5
    return {
        **batch,
        "image": torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW),
    }


class Data(LightningDataModule):
    """A few labelled images of each class to learn from, and as few to choose by.

    `per_class=0` takes all there are. `load` is a parameter so that a test can bring its own small
    splits.
    """

    def __init__(
        self,
        *,
        name: str = "fashion_mnist",
        size: str = "small",
        per_class: int = 50,
        batch_size: int = 50,
        seed: int = 0,
        load: Callable[..., dict[str, Tensor]] = load,
    ) -> None:
        super().__init__()
        self.name, self.size, self.per_class = name, size, per_class
        self.batch_size, self.seed = batch_size, seed
        self.load = load

    def setup(self, stage: str | None = None) -> None:
        """Load what training may see: few items of the training split, few of the validation's."""
        self.train = self._few("train")
        self.val = self._few("val")

    def _few(self, split: str) -> dict[str, Tensor]:
        tensors = self.load(self.name, split, self.size)
        if not self.per_class:
            return tensors
        chosen_N = few_labels(tensors["label"], self.per_class, self.seed)
        return {name: value[chosen_N] for name, value in tensors.items()}

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch, half of the images mirrored."""
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, transform=mirror
        )

    def val_dataloader(self) -> BatchLoader:
        """The validation images as they are."""
        return BatchLoader(self.val, 100)


class Model(LightningModule):
    """A pretrained backbone under a new linear head.

    For the first `probe_epochs` epochs the head learns alone, then the last `thawed` stages of the
    backbone with it. `thawed=0` is a linear probe; `weights="none"` begins from scratch.
    """

    def __init__(
        self,
        *,
        backbone: str = "efficientnet_lite0",
        weights: str = "imagenet",
        size: int = 64,
        classes: int = 10,
        thawed: int = 6,
        probe_epochs: int = 2,
        lr: float = 0.001,
        decay: float = 0.8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.weights, self.size = weights, size
        self.thawed, self.probe_epochs = thawed, probe_epochs
        self.lr, self.decay, self.weight_decay = lr, decay, weight_decay
        self.backbone = build(backbone)
        # BEGIN SOLUTION head: set self.head, a new linear layer.
        # It goes from self.backbone.features to the classes. Let its weights and its bias begin at
        # 0: then all classes are equally likely, and the features alone decide what changes.
        self.head = nn.Linear(self.backbone.features, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # END SOLUTION
        self.register_buffer("mean", torch.tensor(self.backbone.mean))
        self.register_buffer("std", torch.tensor(self.backbone.std))

    def setup(self, stage: str) -> None:
        """Fetch the pretrained weights where training begins; a grader brings the trained ones."""
        if stage == "fit" and self.weights != "none":
            load_pretrained(self.backbone)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """The logits, float32 [B, classes], of uint8 images [B, 1 or 3, H, W]."""
        return self.head(self.backbone(preprocess(image_BCHW, self.size, self.mean, self.std)))

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, classes], of a batch of raw items: what the lab is graded on."""
        return self(batch["image"])

    def train(self, mode: bool = True) -> "Model":
        """Switch to training mode (or evaluation mode), but leave frozen stages as they are."""
        super().train(mode)
        # BEGIN SOLUTION frozen-norm: put every frozen stage into evaluation mode.
        # A stage is frozen when none of its parameters has requires_grad; one that learns in part
        # is left as it is. Freezing parameters does not stop batch norm from updating its running
        # averages, nor from judging by the batch: only the mode does.
        for stage in self.backbone.stages:
            if not any(p.requires_grad for p in stage.parameters()):
                stage.eval()
        # END SOLUTION
        return self

    def thaw(self, epoch: int) -> None:
        """Freeze and unfreeze as `epoch` (0, 1, …) demands, and set every stage's mode."""
        # BEGIN SOLUTION thaw: freeze all stages, or all but the last self.thawed.
        # The head is alone while epoch < self.probe_epochs. What a stage's norms may do depends on
        # whether it learns, so go into training mode anew, with the method above.
        unfreeze_last(self.backbone.stages, self.thawed if epoch >= self.probe_epochs else 0)
        self.train()
        # END SOLUTION

    def on_train_epoch_start(self) -> None:
        """Lightning calls this before the batches of an epoch."""
        self.thaw(self.current_epoch)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with one rate for each depth, all of them falling to 0 in a straight line."""
        groups = parameter_groups(self.head, list(self.backbone.stages), self.lr, self.decay)
        optimizer = torch.optim.AdamW(groups, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": fall, "interval": "step"}}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch, float32 []; Lightning differentiates it and moves the weights."""
        loss = F.cross_entropy(self(batch["image"]), batch["label"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self(batch["image"]), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)
