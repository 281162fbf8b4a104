"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("bias_forgotten", catches="conv2d",
        why="The bias is never added.",
        edits=[("    if bias is not None:\n        y = y + bias[:, None]\n", "")]),
    Mutant("flipped_filters", catches="conv2d",
        why="The filters are flipped: mathematics' convolution, not the networks' cross-correlation.",
        edits=[("y = weight.flatten(1) @ patches", "y = weight.flip(2, 3).flatten(1) @ patches")]),
    Mutant("stride_ignored", catches="conv2d",
        why="The stride never reaches the patches.",
        edits=[("F.unfold(x_BCHW, (K, L), padding=padding, stride=stride)",
                "F.unfold(x_BCHW, (K, L), padding=padding)"),
               ("- K) // stride + 1, -1", "- K) + 1, -1")]),

    Mutant("statistics_per_image", catches="batch-statistics",
        why="The mean runs over rows and columns of one image only: another norm.",
        edits=[("x_BCHW.mean(dim=(0, 2, 3)), x_BCHW.var(dim=(0, 2, 3), correction=0)",
                "x_BCHW[0].mean(dim=(1, 2)), x_BCHW[0].var(dim=(1, 2), correction=0)")]),

    Mutant("biased_running_var", catches="running-statistics",
        why="The running variance keeps the batch's own divisor: too small for unseen data.",
        edits=[("var_C * count / (count - 1)", "var_C")]),
    Mutant("momentum_of_the_old", catches="running-statistics",
        why="momentum weighs the old average instead of the new value: the averages jump with every batch.",
        edits=[("self.running_mean.lerp_(mean_C, self.momentum)",
                "self.running_mean.lerp_(mean_C, 1 - self.momentum)")]),

    Mutant("batch_norm_always_trains", catches="batch-norm",
        why="Batch norm in training mode at evaluation: an image's score depends on its neighbours.",
        edits=[("        if self.training:\n            mean_C, var_C",
                "        if True:\n            mean_C, var_C")]),
    Mutant("nothing_remembered", catches="batch-norm",
        why="The running averages are never updated: evaluation normalises by 0 and 1.",
        edits=[("            self.remember(mean_C, var_C, x_BCHW.numel() // len(mean_C))\n", "")]),

    Mutant("always_projected", catches="shortcut",
        why="A 1 x 1 convolution where the identity would do: the gradient's straight way is gone.",
        edits=[("if stride != 1 or fan_in != fan_out:", "if True:")]),
    Mutant("shortcut_without_norm", catches="shortcut",
        why="The projection lacks its batch norm.",
        edits=[("nn.Sequential(conv(fan_in, fan_out, 1, stride), BatchNorm2d(fan_out))",
                "conv(fan_in, fan_out, 1, stride)")]),

    Mutant("no_shortcut", catches="residual",
        why="The shortcut is built and never added: a plain network.",
        edits=[("F.relu(y_BCHW + self.shortcut(x_BCHW))", "F.relu(y_BCHW)")]),
    Mutant("relu_before_the_sum", catches="residual",
        why="A ReLU before the sum: the block can only ever add.",
        edits=[("        return F.relu(y_BCHW + self.shortcut(x_BCHW))",
                "        return F.relu(y_BCHW) + self.shortcut(x_BCHW)")]),

    Mutant("one_shift_for_all", catches="shift",
        why="All images of a batch move alike.",
        edits=[("torch.randint(2 * most + 1, (2, B), device=image_BCHW.device)",
                "torch.randint(2 * most + 1, (2, 1), device=image_BCHW.device)")]),
    Mutant("rolled", catches="shift",
        why="roll brings what leaves on the right back in on the left.",
        edits=[("    return windows[torch.arange(B), :, top_B, left_B]",
                "    offsets = zip((top_B - most).tolist(), (left_B - most).tolist(), strict=True)\n"
                "    moved = [x.roll(by, (1, 2)) for x, by in zip(image_BCHW, offsets, strict=True)]\n"
                "    return torch.stack(moved)")]),

    Mutant("mirrors_all", catches="mirror",
        why="Every image is mirrored: no variety, only another data set.",
        edits=[("torch.rand(len(image_BCHW), device=image_BCHW.device) < 0.5",
                "torch.rand(len(image_BCHW), device=image_BCHW.device) < 2")]),
    Mutant("upside_down", catches="mirror",
        why="Top and bottom are swapped instead of left and right.",
        edits=[("image_BCHW.flip(3)", "image_BCHW.flip(2)")]),

    Mutant("early_stopping_on_test", catches="splits",
        why="The checkpoint is chosen on the test split: its test score means nothing.",
        edits=[('self.load(self.name, "val", self.size)',
                'self.load(self.name, "test", self.size)')]),
    Mutant("trains_on_validation", catches="splits",
        why="Training on the images that choose the checkpoint.",
        edits=[('self.train = self.load(self.name, "train", self.size)',
                'self.train = self.load(self.name, "val", self.size)')]),

    Mutant("no_augmentation", catches="train-loader",
        why="The augmentation is written and never used.",
        edits=[(", seed=self.seed, transform=augment", ", seed=self.seed")]),
    Mutant("not_shuffled", catches="train-loader",
        why="Every epoch shows the images in the same order.",
        edits=[("shuffle=True, ", "")]),

    Mutant("augmented_evaluation", catches="val-loader",
        why="Augmentation on evaluation data: the score is noisy and too low.",
        edits=[("BatchLoader(self.val, self.batch_size)",
                "BatchLoader(self.val, self.batch_size, transform=augment)")]),

    Mutant("linear_warmup", catches="one-cycle",
        why="Straight lines instead of half cosines.",
        edits=[("(1 - math.cos(math.pi * p)) / 2", "p")]),
    Mutant("never_falls", catches="one-cycle",
        why="The rate climbs and stays: the last steps still jump about.",
        edits=[("start, end, p = 1.0, 1e-4, (step - peak) / (steps - peak)",
                "start, end, p = 1.0, 1.0, 0.0")]),

    Mutant("schedule_by_epoch", catches="schedule",
        why="Lightning's default interval: the schedule moves once an epoch and never gets off the ground.",
        edits=[(', "interval": "step"', "")]),

    Mutant("square_only", catches="odd-conv",
        why="Rows and columns are taken to be equally many.",
        edits=[("((x_BCHW.shape[2] + 2 * padding - K) // stride + 1, -1)",
                "(round(y.shape[2] ** 0.5), -1)")]),

    Mutant("detached_patches", catches="conv-gradients",
        why="The patches are cut off from the graph: no gradient reaches the layers below.",
        edits=[("y = weight.flatten(1) @ patches", "y = weight.flatten(1) @ patches.detach()")]),

    Mutant("remembers_in_evaluation", catches="eval-mode",
        why="Evaluation moves the running averages: the test data seep into the model.",
        edits=[("        mean_C, var_C = self.running_mean, self.running_var\n"
                 "        if self.training:\n"
                 "            mean_C, var_C = self.batch_statistics(x_BCHW)\n"
                 "            self.remember(mean_C, var_C, x_BCHW.numel() // len(mean_C))\n",
                "        mean_C, var_C = self.running_mean.clone(), self.running_var.clone()\n"
                "        batch = self.batch_statistics(x_BCHW)\n"
                "        if self.training:\n"
                "            mean_C, var_C = batch\n"
                "        self.remember(*batch, x_BCHW.numel() // len(mean_C))\n")]),

    Mutant("mirrors_in_place", catches="untouched-input",
        why="The stored images are mirrored themselves; the next epoch starts from what is left.",
        edits=[("    return torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW)",
                "    image_BCHW[coin_B] = image_BCHW[coin_B].flip(3)\n    return image_BCHW"),
               ('mirror(shift(batch["image"]))', 'shift(mirror(batch["image"]))')]),

    Mutant("fixed_warmup", catches="other-cycles",
        why="The warm-up is 30 % whatever was asked for.",
        edits=[("peak = warmup * steps", "peak = 0.3 * steps")]),

    Mutant("head_only", catches="accuracy",
        why="Only the last layer is in the optimiser: the convolutions stay random.",
        edits=[("            self.parameters(), self.lr",
                "            self.net[-1].parameters(), self.lr")]),
]
