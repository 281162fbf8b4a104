"""Mistakes of lab 11, and right norms that every case must pass."""

from dllab.checks.mutants import Mutant, Variant


def rows(mean: str = "rows.mean(-1, keepdim=True)", size: str = "(var + eps).sqrt()") -> dict:
    """A group norm that is written out, with these ways to take a mean and a size."""
    return {"group-norm": f"""
        rows = x.reshape(len(x), groups, -1)
        mean = {mean}
        var = (rows - mean).square().mean(-1, keepdim=True)
        y = ((rows - mean) / {size}).reshape(x.shape)
        per_channel = [-1] + [1] * (x.dim() - 2)
        return y * weight_C.view(per_channel) + bias_C.view(per_channel)
        """}


MUTANTS = [
    Mutant("corrected", catches="standardize",
        why="x.var() divides by F - 1: on short rows that is much.", says="divides by F - 1",
        edits=[("centred.square().mean(-1, keepdim=True) + eps", "x.var(-1, keepdim=True) + eps")]),
    Mutant("not_centred", catches="standardize", why="The mean is taken for the variance alone.",
        says="the mean is not subtracted",
        edits=[("    return centred * r, r", "    return x * r, r")]),
    Mutant("eps_outside", catches="standardize",
        why="A tiny eps beside the root is a tiny change, until the variance is tiny.",
        says="not under it",
        edits=[("(centred.square().mean(-1, keepdim=True) + eps).rsqrt()",
                "1 / (centred.square().mean(-1, keepdim=True).sqrt() + eps)")]),
    Mutant("no_eps", catches="standardize", why="A row of equal numbers becomes nan.",
        says="eps is missing",
        edits=[("(centred.square().mean(-1, keepdim=True) + eps).rsqrt()",
                "centred.square().mean(-1, keepdim=True).rsqrt()")]),
    Mutant("over_the_batch", catches="standardize",
        why="This is batch norm: what a picture becomes depends on its company.",
        says="over the batch",
        edits=[("centred = x - x.mean(-1, keepdim=True)", "centred = x - x.mean(0, keepdim=True)"),
               ("r = (centred.square().mean(-1,", "r = (centred.square().mean(0,")]),
    Mutant("by_library", catches="standardize", why="What the library does need not be understood.",
        says="by hand",
        edits=[("    return centred * r, r", "    return F.layer_norm(x, x.shape[-1:], eps=eps), r")]),

    Mutant("only_scaled", catches="standardize-backward",
        why="The row's statistics are taken for constants: what a detach() would do.",
        says="mean and variance are taken for constants",
        edits=[("    return r * (g - common - y * along)", "    return r * g")]),
    Mutant("variance_constant", catches="standardize-backward",
        why="The way through the variance is forgotten.", says="r is taken for constant",
        edits=[("(g - common - y * along)", "(g - common)")]),
    Mutant("mean_constant", catches="standardize-backward",
        why="The way through the mean is forgotten.", says="the mean is taken for constant",
        edits=[("(g - common - y * along)", "(g - y * along)")]),
    Mutant("backward_unscaled", catches="standardize-backward",
        why="The outer derivative is missing.", says="r is missing",
        edits=[("    return r * (g - common - y * along)", "    return g - common - y * along")]),
    Mutant("sums_for_means", catches="standardize-backward",
        why="The derivative of a mean is 1 / F, not 1.", says="sums stand where means should",
        edits=[("common = g.mean(", "common = g.sum("), ("along = (g * y).mean(", "along = (g * y).sum(")]),

    Mutant("rms_centred", catches="rms", why="That is layer norm.", says="RMSNorm leaves out",
        edits=[("    r = (x.square()", "    x = x - x.mean(-1, keepdim=True)\n    r = (x.square()")]),
    Mutant("rms_of_the_variance", catches="rms",
        why="The mean square is not the variance, unless the mean is 0.", says="not about the mean",
        edits=[("    r = (x.square().mean(-1, keepdim=True) + eps)",
                "    r = (x.var(-1, correction=0, keepdim=True) + eps)")]),
    Mutant("summed_squares", catches="rms", why="That makes the length 1, not the mean square.",
        says="not divided by F", edits=[("    r = (x.square().mean(", "    r = (x.square().sum(")]),
    Mutant("rms_backward_centred", catches="rms-backward", why="Copied from layer norm.",
        says="no mean here",
        edits=[("    return r * (g - y *", "    return r * (g - g.mean(-1, keepdim=True) - y *")]),
    Mutant("rms_backward_scaled_alone", catches="rms-backward", why="r depends on x.",
        says="r is taken for constant", edits=[("(g - y * (g * y).mean(-1, keepdim=True))", "g")]),

    Mutant("strided_groups", catches="group-norm",
        why="[B, C / groups, groups] puts every second channel into a group.", says="side by side",
        edits=[("y = standardized(x.reshape(len(x), groups, -1), eps).reshape(x.shape)",
                "rows = x.unflatten(1, (-1, groups)).transpose(1, 2)\n"
                "    y = standardized(rows.flatten(2), eps).view_as(rows)\n"
                "    y = y.transpose(1, 2).reshape(x.shape)")]),
    Mutant("batch_in_the_group", catches="group-norm",
        why="The batch has a part in the statistics.", says="over the batch",
        edits=[("y = standardized(x.reshape(len(x), groups, -1), eps).reshape(x.shape)",
                "rows = x.transpose(0, 1).reshape(groups, -1)\n"
                "    y = standardized(rows, eps).reshape(x.shape[1], len(x), *x.shape[2:])\n"
                "    y = y.transpose(0, 1)")]),
    Mutant("instance_norm", catches="group-norm", why="Each channel is a group of its own.",
        says="each channel has statistics of its own",
        edits=[("standardized(x.reshape(len(x), groups, -1)",
                "standardized(x.reshape(len(x), x.shape[1], -1)")]),
    Mutant("one_group", catches="group-norm", why="groups is not used.",
        says="all channels are one group",
        edits=[("standardized(x.reshape(len(x), groups, -1)", "standardized(x.reshape(len(x), 1, -1)")]),
    Mutant("not_affine", catches="group-norm", why="The layer cannot learn another size.",
        says="weight and bias are missing",
        edits=[("    return y * weight_C.view(per_channel) + bias_C.view(per_channel)", "    return y")]),
    Mutant("pictures_only", catches="group-norm",
        why="[C, 1] beside [B, C] makes [C, C] of a vector for each item.",
        edits=[("per_channel = [-1] + [1] * (x.dim() - 2)", "per_channel = [-1, 1]")]),

    Mutant("always_on", catches="dropout", why="The network is evaluated with noise.",
        says="in evaluation nothing is dropped",
        edits=[("    if not training:\n        return x\n    return x * (torch.rand_like(x)",
                "    return x * (torch.rand_like(x)")]),
    Mutant("scaled_in_evaluation", catches="dropout",
        why="The original paper scales when training is over; today it is done in training.",
        says="evaluation scales",
        edits=[("    if not training:\n        return x\n    return x * (torch.rand_like(x) >= p) / (1 - p)",
                "    if not training:\n        return x * (1 - p)\n    return x * (torch.rand_like(x) >= p)")]),
    Mutant("never_on", catches="dropout", why="The mode is asked the wrong way round, twice.",
        says="nothing is dropped",
        edits=[("    if not training:\n        return x\n    return x * (torch.rand_like(x) >= p) / (1 - p)",
                "    return x")]),
    Mutant("kept_with_p", catches="dropout", why="In the paper p is the probability to stay.",
        says="not to keep",
        edits=[("(torch.rand_like(x) >= p) / (1 - p)", "(torch.rand_like(x) < p) / p")]),
    Mutant("unscaled", catches="dropout", why="In training the next layer sees less than in use.",
        says="not divided by 1 - p",
        edits=[("(torch.rand_like(x) >= p) / (1 - p)", "(torch.rand_like(x) >= p)")]),
    Mutant("one_mask_for_all", catches="dropout",
        why="All items of a batch lose the same features.", says="draw for itself",
        edits=[("(torch.rand_like(x) >= p) / (1 - p)", "(torch.rand_like(x[:1]) >= p) / (1 - p)")]),
    Mutant("same_mask_each_time", catches="dropout",
        why="A seed in the layer makes of dropout a smaller network.",
        says="each call drops the same",
        edits=[("    return x * (torch.rand_like(x)",
                "    torch.manual_seed(0)\n    return x * (torch.rand_like(x)")]),
    Mutant("noise_added_to_the_graph", catches="dropout",
        why="What is dropped still gets a gradient.", says="the gradient",
        edits=[("    return x * (torch.rand_like(x) >= p) / (1 - p)",
                "    return x + (x * (torch.rand_like(x) >= p) / (1 - p) - x).detach()")]),
    Mutant("path_of_numbers", catches="drop-path", why="That is dropout.", says="dropped together",
        edits=[("keep = torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device) >= p",
                "keep = torch.rand_like(x) >= p")]),
    Mutant("path_of_the_batch", catches="drop-path", why="One draw for all items.",
        says="all items are dropped, or none",
        edits=[("torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device)", "torch.rand(1).to(x)")]),
    Mutant("path_always_on", catches="drop-path",
        why="The network is evaluated with missing blocks.",
        says="in evaluation nothing is dropped",
        edits=[("    if not training:\n        return x\n    keep", "    keep")]),

    Mutant("no_residual", catches="block", why="Where the path is dropped nothing is left.",
        says="x is not added",
        edits=[("        return x_BF + drop_path(y_BF,", "        return drop_path(y_BF,")]),
    Mutant("path_with_x", catches="block", why="A dropped item loses all that it was.",
        says="drop the branch alone",
        edits=[("        return x_BF + drop_path(y_BF,", "        return drop_path(x_BF + y_BF,")]),
    Mutant("post_norm", catches="block", why="That was the first Transformer's way.",
        says="the norm comes after",
        edits=[("y_BF = self.inner(self.norm(x_BF)).relu()", "y_BF = self.inner(x_BF).relu()"),
               ("        return x_BF + drop_path(y_BF, self.drop_path, training=self.training)",
                "        return self.norm(x_BF + drop_path(y_BF, self.drop_path, training=self.training))")]),
    Mutant("no_norm", catches="block", why="The norm is built and not called.",
        says="the norm is missing", edits=[("self.inner(self.norm(x_BF))", "self.inner(x_BF)")]),
    Mutant("no_dropout", catches="block", why="The rate is kept, and nothing dropped.",
        says="dropout is missing",
        edits=[("self.outer(dropout(y_BF, self.dropout, training=self.training))", "self.outer(y_BF)")]),
    Mutant("no_drop_path", catches="block", why="The rate is kept, and nothing dropped.",
        says="drop_path is missing",
        edits=[("drop_path(y_BF, self.drop_path, training=self.training)", "y_BF")]),
    Mutant("noisy_block", catches="block", why="The mode is not asked.",
        says="in evaluation it is noisy",
        edits=[("dropout(y_BF, self.dropout, training=self.training)",
                "dropout(y_BF, self.dropout, training=True)"),
               ("drop_path(y_BF, self.drop_path, training=self.training)",
                "drop_path(y_BF, self.drop_path, training=True)")]),

    Mutant("hard_targets", catches="smoothing", why="smoothing is taken and not used.",
        says="the targets are not smoothed",
        edits=[("(1 - smoothing) * F.one_hot(label_B, C).to(logits_BC.dtype) + smoothing / C",
                "F.one_hot(label_B, C).to(logits_BC.dtype)")]),
    Mutant("label_spared", catches="smoothing",
        why="Another convention: the label gets 1 - smoothing in all.", says="smoothing / (C - 1)",
        code={"smoothing": """
        C = logits_BC.shape[1]
        hot_BC = F.one_hot(label_B, C).to(logits_BC.dtype)
        target_BC = (1 - smoothing) * hot_BC + smoothing / (C - 1) * (1 - hot_BC)
        log_p_BC = F.log_softmax(logits_BC, dim=1)
        return -(target_BC * log_p_BC).sum(1).mean(), log_p_BC.exp(), target_BC
        """}),
    Mutant("mean_moved", catches="smoothing",
        why="Targets that add up to more than 1 pull all logits.", says="must become 1 - smoothing",
        edits=[("(1 - smoothing) * F.one_hot(label_B, C)", "F.one_hot(label_B, C)")]),
    Mutant("summed_loss", catches="smoothing", why="The step grows with the batch.",
        says="summed over the batch",
        edits=[("-(target_BC * log_p_BC).sum(1).mean()", "-(target_BC * log_p_BC).sum()")]),
    Mutant("log_of_softmax", catches="sure-logits",
        why="softmax underflows to 0, whose log is -inf.",
        edits=[("log_p_BC = F.log_softmax(logits_BC, dim=1)",
                "log_p_BC = torch.log(torch.softmax(logits_BC, dim=1))")]),
    Mutant("smoothing_without_g", catches="smoothing-backward",
        why="It is right while the loss is the end of the graph.", says="g is missing",
        edits=[("    return g * (p_BC - target_BC) / len(p_BC)", "    return (p_BC - target_BC) / len(p_BC)")]),
    Mutant("smoothing_of_the_sum", catches="smoothing-backward",
        why="The loss is a mean, its gradient is not.", says="a sum for a mean",
        edits=[("    return g * (p_BC - target_BC) / len(p_BC)", "    return g * (p_BC - target_BC)")]),

    Mutant("all_decay", catches="decay-groups",
        why="Biases and norms are pulled to 0, where they do no harm.", says="everything decays",
        edits=[('"weight_decay": 0.0}', '"weight_decay": weight_decay}')]),
    Mutant("by_name", catches="decay-groups", why="A norm's weight is called weight, too.",
        says="weights of norms decay",
        code={"decay-groups": """
        named = dict(model.named_parameters())
        return [
            {"params": [p for n, p in named.items() if not n.endswith("bias")], "weight_decay": weight_decay},
            {"params": [p for n, p in named.items() if n.endswith("bias")], "weight_decay": 0.0},
        ]
        """}),
    Mutant("only_matrices", catches="decay-groups",
        why="A convolution's weight has three or four dimensions.", says="weights of convolutions",
        edits=[("if p.dim() > 1], ", "if p.dim() == 2], "), ("if p.dim() <= 1], ", "if p.dim() != 2], ")]),
    Mutant("biases_forgotten", catches="decay-groups", why="What is in no group never learns.",
        says="in no group",
        edits=[('        {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0},\n', "")]),

    Mutant("overshooting", catches="l1-step",
        why="The sign times by, as gradient descent on |w| does: weights swing about 0.",
        says="must stop there",
        edits=[("(weight.abs() - by).clamp(min=0)", "(weight.abs() - by)")]),
    Mutant("hard_threshold", catches="l1-step", why="Large weights stay as they are.",
        says="also large numbers",
        edits=[("weight.sign() * (weight.abs() - by).clamp(min=0)", "weight * (weight.abs() > by)")]),

    Mutant("not_cloned", catches="early-stopping",
        why="A state dict holds the tensors that training goes on to change.", says="clone()",
        edits=[("{name: value.clone() for name, value in weights.items()}", "dict(weights)")]),
    Mutant("last_kept", catches="early-stopping",
        why="The last weights are `patience` epochs past the best.", says="not the best",
        edits=[("        if loss < self.least:\n",
                "        self.best = {name: value.clone() for name, value in weights.items()}\n"
                "        if loss < self.least:\n"),
               ("            self.best = {name: value.clone() for name, value in weights.items()}\n", "")]),
    Mutant("never_reset", catches="early-stopping",
        why="It counts all bad epochs, not those in a row.", says="not set to 0",
        edits=[("self.least, self.waited = loss, 0", "self.least = loss")]),
    Mutant("equal_is_better", catches="early-stopping",
        why="A loss that has come to rest goes on for ever.", says="compare with <",
        edits=[("if loss < self.least:", "if loss <= self.least:")]),
    Mutant("an_epoch_late", catches="early-stopping", why="> for >=.", says="an epoch late",
        edits=[("return 0 < self.patience <= self.waited", "return 0 < self.patience < self.waited")]),
    Mutant("against_the_last", catches="early-stopping",
        why="A loss that rises in a zigzag looks better every second time.", says="the one before",
        edits=[("            self.waited += 1\n", "            self.waited += 1\n            self.least = loss\n")]),
    Mutant("no_patience_no_training", catches="never-stops", why="0 <= waited is true at once.",
        edits=[("return 0 < self.patience <= self.waited", "return self.patience <= self.waited")]),
    Mutant("nan_is_better", catches="never-stops", why="nan is not above anything.",
        edits=[("if loss < self.least:", "if not loss >= self.least:")]),

    Mutant("gap_in_training_mode", catches="gap",
        why="Dropout makes the training loss look worse than it is.", says="call model.eval()",
        edits=[("    model.eval()\n", "")]),
    Mutant("left_in_evaluation", catches="gap", why="From the second epoch on, nothing is dropped.",
        says="left in evaluation mode", edits=[("    model.train(was_training)\n", "")]),
    Mutant("left_in_training", catches="gap",
        why="Whoever asked in evaluation mode goes on with noise.", says="left in training mode",
        edits=[("model.train(was_training)", "model.train()")]),
    Mutant("gap_with_graph", catches="gap",
        why="The graph of all items is kept until the gap is forgotten.", says="torch.no_grad()",
        edits=[("    with torch.no_grad():\n", "    with torch.enable_grad():\n")]),

    Mutant("uneven_groups", catches="far-groups",
        why="C / groups channels a group, or C / groups groups: the same for 4 and 2.",
        edits=[("standardized(x.reshape(len(x), groups, -1)",
                "standardized(x.reshape(len(x), x.shape[1] // groups, -1)")]),
    Mutant("double_r", catches="whole-gradient",
        why="The forward hands on another y than it returns, in single precision alone.",
        edits=[("    return r * (g - common - y * along)",
                "    return r * (g - common - y * along * (2 if g.dtype == torch.float32 else 1))")]),

    Mutant("no_regularisation", catches="nats",
        why="What the lab leaves behind: the network learns its 500 pictures by heart.",
        edits=[("        super().__init__(EarlyStopping(patience), gap)\n",
                '        norm, patience = "none", 0\n'
                "        dropout = drop_path = smoothing = weight_decay = 0.0\n"
                "        super().__init__(EarlyStopping(patience), gap)\n")]),

    Mutant("groups_of_the_wrong_size", catches="breaks",
        why="C / groups and groups are the same for 4 channels in 2 groups.",
        code={"group-norm": """
        rows = x.reshape(len(x), x.shape[1] // groups, -1)
        y = standardized(rows, eps).reshape(x.shape)
        per_channel = [-1] + [1] * (x.dim() - 2)
        return y * weight_C.view(per_channel) + bias_C.view(per_channel)
        """}),
    Mutant("group_eps_outside", catches="breaks", why="It shows where the variance is about eps.",
        code=rows(size="(var.sqrt() + eps)")),
    Mutant("group_without_eps", catches="breaks",
        why="It shows where all numbers of a group are the same.",
        code=rows(size="var.sqrt()")),
    Mutant("group_clamped", catches="breaks",
        why="eps as a lower bound: it shows where the variance is about eps.",
        code=rows(size="var.clamp(min=eps).sqrt()")),
    Mutant("group_eps_fixed", catches="breaks",
        why="The argument is not used: it shows with another eps than the usual one.",
        code=rows(size="(var + 1e-5).sqrt()")),
    Mutant("group_eps_squared", catches="breaks", why="eps of the deviation, not of the variance.",
        code=rows(size="(var + eps**2).sqrt()")),
    Mutant("one_pass", catches="breaks",
        why="E[x²] - mean² cancels where the spread is far below the mean.",
        code=rows(size="((rows * rows).mean(-1, keepdim=True) - mean**2 + eps).clamp(min=eps).sqrt()")),
]

VARIANTS = [
    Variant("written_out", code=rows()),
    Variant("group_by_group", code={"group-norm": """
        parts = [standardized(some.flatten(1), eps).view_as(some) for some in x.chunk(groups, 1)]
        shape = [-1] + [1] * (x.dim() - 2)
        return torch.cat(parts, 1) * weight_C.view(shape) + bias_C.view(shape)
        """}),
    Variant("in_doubles", code={"group-norm": """
        rows = x.double().reshape(len(x), groups, -1)
        var, mean = torch.var_mean(rows, dim=-1, correction=0, keepdim=True)
        y = ((rows - mean) / torch.sqrt(var + eps)).reshape(x.shape).to(x.dtype)
        return torch.einsum("bc...,c->bc...", y, weight_C) + bias_C.view(-1, *[1] * (x.dim() - 2))
        """}),
]
