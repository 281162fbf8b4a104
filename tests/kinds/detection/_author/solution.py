"""Detection: a score for each class at each place, and boxes from the places that score highest."""

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import nn

from dllab.data.module import SplitData

SIDE, MOST = 3, 4


class Data(SplitData):
    """The splits that training may see."""


class Model(LightningModule):
    """A convolution that sees a whole square at once."""

    def __init__(self, *, lr=0.03):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(12, 2, 1)
        )

    def heat(self, image):
        return self.net(image / 255 - 0.3)

    def predict(self, batch):
        return find_boxes(self.heat(batch["image"]).sigmoid())

    def loss(self, batch):
        heat = self.heat(batch["image"])
        target = torch.zeros_like(heat)
        for row, boxes, classes, count in zip(
            target, batch["boxes"], batch["classes"], batch["count"], strict=True
        ):
            for box, one in zip(boxes[:count].long(), classes[:count], strict=True):
                row[one, box[1], box[0]] = 1
        return F.binary_cross_entropy_with_logits(heat, target, pos_weight=torch.tensor(5.0))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch), batch_size=len(batch["image"]))


def find_boxes(heat_BCHW):
    # BEGIN SOLUTION boxes: return the MOST places that score highest, as boxes, [B, MOST, 6].
    # A row is (left, top, right, bottom, class, score); a box is SIDE wide and high, and its place
    # is its upper left corner.
    height, width = heat_BCHW.shape[2:]
    score_BK, place_BK = heat_BCHW.flatten(1).topk(MOST, dim=1)
    left_BK, top_BK = place_BK % width, place_BK // width % height
    class_BK = place_BK // (width * height)
    corners = [left_BK, top_BK, left_BK + SIDE, top_BK + SIDE, class_BK]
    return torch.stack([*corners, score_BK], dim=2)
    # END SOLUTION
