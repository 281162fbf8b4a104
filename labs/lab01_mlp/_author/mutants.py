"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("fan_out", catches="he-init",
        why="The variance of the wrong side: the forward signal grows or shrinks with the layer's width.",
        edits=[("(2 / fan_in) ** 0.5", "(2 / fan_out) ** 0.5")]),
    Mutant("plain_tensor_bias", catches="he-init",
        why="A plain tensor is no parameter: no optimiser sees it, no checkpoint saves it.",
        edits=[("self.bias = nn.Parameter(torch.zeros(fan_out))",
                "self.bias = torch.zeros(fan_out)")]),
    Mutant("xavier", catches="he-init",
        why="Xavier's variance, 1 / fan_in, halves the signal in every ReLU layer.",
        edits=[("(2 / fan_in) ** 0.5", "(1 / fan_in) ** 0.5")]),

    Mutant("no_bias", catches="linear",
        why="The bias is there, trained and never added.",
        edits=[("return x @ self.weight.T + self.bias", "return x @ self.weight.T")]),

    Mutant("naive_log_softmax", catches="log-softmax",
        why="exp overflows from 89 on: one large logit and the loss is nan.",
        edits=[("logits_BC - logits_BC.amax(dim=1, keepdim=True)", "logits_BC")]),
    Mutant("softmax_over_batch", catches="log-softmax",
        why="The softmax runs over the batch instead of the classes.",
        edits=[("shifted_BC.exp().sum(dim=1, keepdim=True)",
                "shifted_BC.exp().sum(dim=0, keepdim=True)")]),

    Mutant("double_softmax", catches="cross-entropy",
        why="softmax before cross-entropy, which takes its own: the gradients become small and flat.",
        edits=[("log_softmax(logits_BC).gather", "log_softmax(logits_BC.softmax(dim=1)).gather")]),
    Mutant("summed_loss", catches="cross-entropy",
        why="The sum instead of the mean: the learning rate grows with the batch.",
        edits=[("return -log_p_B.mean()", "return -log_p_B.sum()")]),

    Mutant("one_mean_for_all", catches="pixel-statistics",
        why="One mean for the whole image instead of one per pixel.",
        edits=[("return x_NF.mean(dim=0), ", "return x_NF.mean().expand(x_NF.shape[1]), ")]),

    Mutant("statistics_of_all_splits", catches="standardize",
        why="Validation images leak into the normalisation: the score no longer stands for unseen data.",
        edits=[('pixel_statistics(self.train["image"])',
                "pixel_statistics(\n"
                '            torch.cat([self.train["image"], self.val["image"]])\n'
                "        )")]),
    Mutant("statistics_of_the_test", catches="standardize",
        why="Test statistics leak into the normalisation.",
        edits=[('pixel_statistics(self.train["image"])',
                'pixel_statistics(self.load(self.name, "test")["image"])')]),

    Mutant("transposed_counts", catches="confusion-matrix",
        why="Rows and columns swapped: precision is taken for recall.",
        edits=[("label_B * classes + logits_BC.argmax(dim=1)",
                "logits_BC.argmax(dim=1) * classes + label_B")]),

    Mutant("mean_recall_as_accuracy", catches="accuracy-score",
        why="The mean of the classes' recalls is balanced accuracy, another metric.",
        edits=[("return confusion_CC.trace() / confusion_CC.sum()",
                "return (confusion_CC.diagonal() / confusion_CC.sum(dim=1)).mean()")]),

    Mutant("weighted_f1", catches="macro-f1-score",
        why="Weighted by class size, the frequent classes hide the rare ones.",
        edits=[("    return (2 * confusion_CC.diagonal()[seen_C] / twice_C[seen_C]).mean()",
                "    f1_C = 2 * confusion_CC.diagonal()[seen_C] / twice_C[seen_C]\n"
                "    share_C = confusion_CC.sum(dim=1)[seen_C] / confusion_CC.sum()\n"
                "    return (f1_C * share_C).sum()")]),

    Mutant("no_bend", catches="forward",
        why="Without ReLU any number of linear layers is one linear layer.",
        edits=[("Linear(fan_in, fan_out), nn.ReLU(), nn.Dropout(dropout)",
                "Linear(fan_in, fan_out), nn.Identity(), nn.Dropout(dropout)")]),
    Mutant("not_standardized", catches="forward",
        why="The network sees raw grey levels up to 255.",
        edits=[("x_BF = (image.flatten(1).float() - self.mean) / self.std",
                "x_BF = image.flatten(1).float()")]),
    Mutant("softmax_output", catches="forward",
        why="softmax inside the model: the loss takes it a second time.",
        edits=[("return self.net(x_BF)", "return self.net(x_BF).softmax(dim=1)")]),
    Mutant("statistics_of_the_batch", catches="forward",
        why="Each batch is standardised by itself: an item's score depends on its neighbours.",
        edits=[("(image.flatten(1).float() - self.mean) / self.std",
                "image.flatten(1).float()\n"
                "        x_BF = (x_BF - x_BF.mean(dim=0)) / x_BF.std(dim=0).clamp_min(1)")]),

    Mutant("default_rate", catches="optimizer",
        why="The configured learning rate is never used.",
        edits=[("self.parameters(), lr=self.lr, ", "self.parameters(), ")]),
    Mutant("head_only", catches="optimizer",
        why="Only the last layer is in the optimiser: the hidden layers stay random.",
        edits=[("torch.optim.AdamW(self.parameters()",
                "torch.optim.AdamW(self.net[-1].parameters()")]),

    Mutant("missing_step", catches="training-step",
        why="The gradients are right and nobody uses them.",
        edits=[("        optimizer.step()\n", "")]),
    Mutant("missing_zero_grad", catches="training-step",
        why="Gradients pile up: each step also repeats all steps before it.",
        edits=[("        optimizer.zero_grad()\n", "")]),
    Mutant("softmax_in_the_step", catches="training-step",
        why="softmax before cross-entropy, in the training step.",
        edits=[('loss = cross_entropy(self(batch["image"]), batch["label"])\n'
                 "        self.manual",
                'loss = cross_entropy(self(batch["image"]).softmax(dim=1), batch["label"])\n'
                "        self.manual")]),

    Mutant("detached_weight", catches="gradients",
        why="The weight is cut off from the graph and never learns.",
        edits=[("x @ self.weight.T + self.bias", "x @ self.weight.detach().T + self.bias")]),

    Mutant("log_of_softmax_plus_eps", catches="far-logits",
        why="An epsilon hides the overflow, and caps the loss of a confident mistake.",
        edits=[("    return shifted_BC - shifted_BC.exp().sum(dim=1, keepdim=True).log()",
                "    return (shifted_BC.softmax(dim=1) + 1e-9).log()")]),

    Mutant("no_floor", catches="constant-pixels",
        why="A pixel that is black in all training images is divided by (nearly) nothing.",
        edits=[(".clamp_min(1)", ".clamp_min(1e-8)")]),

    Mutant("squeezed", catches="alone",
        why="squeeze() also drops the batch dimension of a batch of one.",
        edits=[("return self.net(x_BF)", "return self.net(x_BF).squeeze()")]),

    Mutant("no_minlength", catches="missing-classes",
        why="Without minlength the matrix falls apart when the last classes are missing from a batch.",
        edits=[("torch.bincount(pair_B, minlength=classes**2).reshape(classes, classes)",
                "torch.bincount(pair_B).reshape(classes, classes)")]),

    Mutant("absent_class_counts_as_zero", catches="absent-class",
        why="A class that never shows up drags the mean down.",
        edits=[(".diagonal()[seen_C] / twice_C[seen_C]).mean()",
                ".diagonal() / twice_C.clamp_min(1)).mean()")]),

    Mutant("tiny_rate", catches="accuracy",
        why="The rate is ten thousand times too small: the network stays with its first guess.",
        edits=[("lr=self.lr, ", "lr=self.lr * 1e-4, ")]),

    Mutant("rare_classes_forgotten", catches="macro_f1",
        why="The loss leaves three classes out: accuracy suffers, macro-F1 far more.",
        edits=[('loss = cross_entropy(self(batch["image"]), batch["label"])\n'
                 "        self.manual",
                'known = batch["label"] < 7\n'
                '        loss = cross_entropy(self(batch["image"][known]), batch["label"][known])\n'
                "        self.manual")]),
]
