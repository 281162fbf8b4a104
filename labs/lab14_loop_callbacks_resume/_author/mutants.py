"""Mistakes that learners make, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant(
        "begins_the_epoch_anew",
        catches="batches",
        why="The batches before the kill are trained twice.",
        says="position is not looked at",
        edits=[("[self.position :]:", ":")],
    ),
    Mutant(
        "counted_after_the_yield",
        catches="batches",
        why="The checkpoint that is written while a batch is in use does not count it.",
        says="a batch is counted after the yield",
        edits=[
            (
                "            self.position += 1\n            yield {name: tensor[chosen] for name, tensor in self.tensors.items()}\n",
                "            yield {name: tensor[chosen] for name, tensor in self.tensors.items()}\n            self.position += 1\n",
            )
        ],
    ),
    Mutant(
        "epoch_not_counted",
        catches="batches",
        why="Every epoch has the order of the first.",
        says="the epoch does not move on",
        edits=[("        self.epoch += 1\n        self.position = 0", "        self.position = 0")],
    ),
    Mutant(
        "position_kept",
        catches="batches",
        why="The second epoch has no batches.",
        says="position is not set back",
        edits=[("        self.epoch += 1\n        self.position = 0", "        self.epoch += 1")],
    ),
    Mutant(
        "last_batch_dropped",
        catches="batches",
        why="Items that fill no batch are never seen.",
        says="the short last batch is missing",
        edits=[("[self.position :]:", "[self.position : self.items // self.batch_size]:")],
    ),
    Mutant(
        "unshuffled",
        catches="batches",
        why="The order is drawn and not used.",
        says="not in the order of self.order()",
        edits=[("self.order().split(", "torch.arange(self.items).split(")],
    ),
    Mutant(
        "numpy_forgotten",
        catches="random-state",
        why="Augmentations often draw from NumPy.",
        says="NumPy's generator is not in the state",
        edits=[('        "numpy": (name, keys.tolist(), *rest),\n', "")],
    ),
    Mutant(
        "python_forgotten",
        catches="random-state",
        why="random.shuffle draws from Python's generator.",
        says="Python's generator is not in the state",
        edits=[('        "python": random.getstate(),\n', "")],
    ),
    Mutant(
        "torch_forgotten",
        catches="random-state",
        why="Dropout draws from PyTorch's generator.",
        says="PyTorch's generator is not in the state",
        edits=[('        "torch": torch.get_rng_state(),\n', "")],
    ),
    Mutant(
        "array_kept",
        catches="random-state",
        why="A checkpoint with objects of NumPy can only be read by a loader that runs code.",
        says="make a list of an array",
        edits=[("keys.tolist()", "keys")],
    ),
    Mutant(
        "mean_differentiated",
        catches="accumulate",
        why="The short last batch counts as much as a whole one.",
        says="each batch's mean was differentiated",
        edits=[("loss_B.sum().backward()", "loss_B.mean().backward()")],
    ),
    Mutant(
        "cleared_in_between",
        catches="accumulate",
        why="Only the last batch of a step moves the weights.",
        says="only the last batch's gradient is left",
        edits=[
            (
                "        loss_B.sum().backward()",
                "        self.model.zero_grad()\n        loss_B.sum().backward()",
            )
        ],
    ),
    Mutant(
        "graphs_kept",
        catches="accumulate",
        why="Memory grows with each batch, until there is none.",
        says="keeps the graph of every batch",
        edits=[
            ("self.loss_sum += loss_B.sum().item()", "self.loss_sum = self.loss_sum + loss_B.sum()")
        ],
    ),
    Mutant(
        "means_added_up",
        catches="accumulate",
        why="The logged loss is not the mean over the items.",
        says="loss_sum adds up means",
        edits=[("self.loss_sum += loss_B.sum().item()", "self.loss_sum += loss_B.mean().item()")],
    ),
    Mutant(
        "loss_overwritten",
        catches="accumulate",
        why="The epoch's loss is that of its last batch.",
        says="loss_sum holds the last batch alone",
        edits=[("self.loss_sum += loss_B", "self.loss_sum = loss_B")],
    ),
    Mutant(
        "items_are_batches",
        catches="accumulate",
        why="The gradient is divided by 2 where 5 items came.",
        says="items counts batches",
        edits=[("self.items += len(loss_B)", "self.items += 1")],
    ),
    Mutant(
        "never_divided",
        catches="update",
        why="The step grows with the number of items.",
        says="the gradient is a sum still",
        edits=[("p.grad /= self.items", "p.grad /= 1")],
    ),
    Mutant(
        "divided_by_batches",
        catches="update",
        why="Lightning and most loops divide by the batches; here batches differ in size.",
        says="divided by the batches",
        edits=[("p.grad /= self.items", "p.grad /= self.batches")],
    ),
    Mutant(
        "clipped_first",
        catches="update",
        why="The bound of the norm then depends on the number of items.",
        says="the sum was clipped",
        edits=[
            (
                "        for p in self.model.parameters():\n            if p.grad is not None:\n",
                "        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip * self.items)\n"
                "        norm = sum(float(p.grad.square().sum()) for p in self.model.parameters() if p.grad is not None) ** 0.5\n"
                "        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)\n"
                "        for p in self.model.parameters():\n            if p.grad is not None:\n",
            ),
            (
                "                p.grad /= self.items\n        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)\n",
                "                p.grad /= self.items\n",
            ),
        ],
    ),
    Mutant(
        "not_clipped",
        catches="update",
        why="One bad batch throws the weights far away.",
        says="the gradient is not clipped",
        edits=[("        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)\n", "")],
    ),
    Mutant(
        "scheduler_first",
        catches="update",
        why="The first rate is never used.",
        says="the scheduler made its step before the optimiser",
        edits=[
            (
                "        self.optimizer.step()\n        self.scheduler.step()",
                "        self.scheduler.step()\n        self.optimizer.step()",
            )
        ],
    ),
    Mutant(
        "no_schedule",
        catches="update",
        why="The rate stays what it was.",
        says="the scheduler makes no step",
        edits=[("        self.scheduler.step()\n", "")],
    ),
    Mutant(
        "zero_grad_missing",
        catches="update",
        why="Each step repeats all gradients before it.",
        says="the gradient is not cleared",
        edits=[("        self.optimizer.zero_grad()\n", "")],
    ),
    Mutant(
        "items_kept",
        catches="update",
        why="Steps shrink from one to the next.",
        says="items is not set back",
        edits=[
            (
                "self.batches = self.items = 0\n        self.step",
                "self.batches = 0\n        self.step",
            )
        ],
    ),
    Mutant(
        "step_not_counted",
        catches="update",
        why="Nobody knows how often the weights were moved.",
        says="step is not counted",
        edits=[("        self.step += 1\n", "")],
    ),
    Mutant(
        "mean_of_means",
        catches="evaluate",
        why="The items of a short batch count for more.",
        says="mean of the batches' means",
        edits=[
            (
                "loss_N = torch.cat([self.loss(self.model, batch) for batch",
                "loss_N = torch.stack([self.loss(self.model, batch).mean() for batch",
            )
        ],
    ),
    Mutant(
        "evaluated_in_training_mode",
        catches="evaluate",
        why="Dropout and batch statistics disturb what is measured.",
        says="this is training mode",
        edits=[("        self.model.eval()\n", "")],
    ),
    Mutant(
        "left_in_evaluation_mode",
        catches="evaluate",
        why="From the first validation on, dropout rests.",
        says="left in evaluation mode",
        edits=[("        self.model.train(mode)\n", "")],
    ),
    Mutant(
        "left_in_training_mode",
        catches="evaluate",
        why="Whoever evaluates a finished model finds it training again.",
        says="left in training mode",
        edits=[("self.model.train(mode)", "self.model.train()")],
    ),
    Mutant(
        "rest_spills_over",
        catches="fit",
        why="The last batches of an epoch are stepped with the first of the next.",
        says="spill into the next epoch",
        edits=[(" or self.loader.position == len(self.loader):", ":")],
    ),
    Mutant(
        "step_per_batch",
        catches="fit",
        why="`accumulate` has no effect.",
        says="each batch makes a step",
        edits=[
            (
                "if self.batches == self.accumulate or self.loader.position == len(self.loader):",
                "if self.batches:",
            )
        ],
    ),
    Mutant(
        "training_mode_forgotten",
        catches="fit",
        why="A model that was evaluated before trains without dropout.",
        says="not put into training mode",
        edits=[("            self.model.train()\n", "")],
    ),
    Mutant(
        "so_many_more",
        catches="fit",
        why="A resumed run trains all its epochs once more.",
        says="count those that are done",
        edits=[
            (
                "        while self.loader.epoch < epochs and not self.stop:",
                "        end = self.loader.epoch + epochs\n        while self.loader.epoch < end and not self.stop:",
            )
        ],
    ),
    Mutant(
        "callbacks_not_called",
        catches="fit",
        why="No checkpoint is ever written within an epoch.",
        says="on_batch_end is not called",
        edits=[('                self.call("on_batch_end")\n', "")],
    ),
    Mutant(
        "three_batches_a_step",
        catches="as-lightning",
        why="It fits the numbers that were tried, and no others.",
        says="the loss of each batch",
        edits=[("self.batches == self.accumulate or", "self.batches == 3 or")],
    ),
    Mutant(
        "stops_between_epochs",
        catches="stop",
        why="A hopeless run goes on for the rest of its epoch.",
        says="only looked at between epochs",
        edits=[("                if self.stop:\n                    break\n", "")],
    ),
    Mutant(
        "broken_epoch_ends",
        catches="stop",
        why="Half an epoch is validated and recorded as a whole one.",
        says="an epoch that was broken off has no end",
        edits=[
            ("            else:\n                self.end_epoch()", "            self.end_epoch()")
        ],
    ),
    Mutant(
        "buffers_forgotten",
        catches="state",
        why="Batch normalisation's statistics are no parameters.",
        says="the model's state does not come back",
        edits=[
            (
                '"model": self.model.state_dict()',
                '"model": self.model.state_dict() | {k: torch.zeros_like(b) for k, b in self.model.named_buffers()}',
            )
        ],
    ),
    Mutant(
        "optimizer_not_saved",
        catches="state",
        why="Momentum begins at 0 again, and the loss jumps.",
        says="the optimiser's state is not in the checkpoint",
        edits=[('            "optimizer": self.optimizer.state_dict(),\n', "")],
    ),
    Mutant(
        "scheduler_not_saved",
        catches="state",
        why="The rate jumps back to that of the beginning.",
        says="the scheduler's state is not in the checkpoint: after the resume the learning rate",
        edits=[('            "scheduler": self.scheduler.state_dict(),\n', "")],
    ),
    Mutant(
        "loader_not_saved",
        catches="state",
        why="The epoch begins anew.",
        says="the loader's state is not in the checkpoint",
        edits=[('            "loader": self.loader.state_dict(),\n', "")],
    ),
    Mutant(
        "generators_not_saved",
        catches="state",
        why="Dropout draws other numbers.",
        says="generator is not in the checkpoint",
        edits=[('            "random": random_state(),\n', "")],
    ),
    Mutant(
        "gradients_not_saved",
        catches="state",
        why="The batches before the kill are missing from the step.",
        says="the gradient under way (.grad of the parameters) is not in the checkpoint",
        edits=[('            "gradients": [p.grad for p in self.model.parameters()],\n', "")],
    ),
    Mutant(
        "callbacks_not_saved",
        catches="state",
        why="Early stopping waits anew after each resume.",
        says="the callbacks' state is not in the checkpoint",
        edits=[
            (
                '            "callbacks": [callback.state_dict() for callback in self.callbacks],\n',
                "",
            )
        ],
    ),
    Mutant(
        "counters_not_saved",
        catches="state",
        why="The epoch's mean loss and the end of the step come out wrong.",
        says='the counter "step" is not in the checkpoint',
        edits=[
            ('            "counters": {name: getattr(self, name) for name in self.COUNTERS},\n', "")
        ],
    ),
    Mutant(
        "history_not_saved",
        catches="state",
        why="The curve begins at the resume.",
        says='the counter "history" is not in the checkpoint',
        edits=[("for name in self.COUNTERS},", 'for name in self.COUNTERS if name != "history"},')],
    ),
    Mutant(
        "scheduler_not_loaded",
        catches="load-state",
        why="It is in the file, and nobody takes it out.",
        says="the scheduler's state is not taken from the checkpoint",
        edits=[
            ('("model", "optimizer", "scheduler", "loader"):', '("model", "optimizer", "loader"):')
        ],
    ),
    Mutant(
        "loader_not_loaded",
        catches="load-state",
        why="It is in the file, and nobody takes it out.",
        says="the loader's state is not taken from the checkpoint",
        edits=[
            (
                '("model", "optimizer", "scheduler", "loader"):',
                '("model", "optimizer", "scheduler"):',
            )
        ],
    ),
    Mutant(
        "optimizer_not_loaded",
        catches="load-state",
        why="It is in the file, and nobody takes it out.",
        says="the optimiser's state is not taken from the checkpoint",
        edits=[
            ('("model", "optimizer", "scheduler", "loader"):', '("model", "scheduler", "loader"):')
        ],
    ),
    Mutant(
        "gradients_not_loaded",
        catches="load-state",
        why="They are in the file, and nobody takes them out.",
        says="the gradient under way (.grad of the parameters) is not taken",
        edits=[("            p.grad = gradient", "            gradient = p.grad")],
    ),
    Mutant(
        "callbacks_not_loaded",
        catches="load-state",
        why="They are in the file, and nobody takes them out.",
        says="the callbacks' state is not taken",
        edits=[
            (
                "            callback.load_state_dict(kept)",
                "            kept = callback.state_dict()",
            )
        ],
    ),
    Mutant(
        "counters_not_loaded",
        catches="load-state",
        why="They are in the file, and nobody takes them out.",
        says='the counter "step" is not taken',
        edits=[('        vars(self).update(state["counters"])\n', "")],
    ),
    Mutant(
        "seeded_for_restored",
        catches="load-state",
        why="A seed brings a generator to its beginning, not to where it stood.",
        says="the state of PyTorch's generator does not come back",
        edits=[
            (
                '        restore_random(state["random"])',
                '        restore_random(state["random"])\n        torch.manual_seed(0)',
            )
        ],
    ),
    Mutant(
        "written_in_place",
        catches="save",
        why="Who is killed while writing has neither the old nor the new one.",
        says="the old one is cut off",
        code={"save": "torch.save(state, path)"},
    ),
    Mutant(
        "old_one_removed_first",
        catches="save",
        why="For a while there is none.",
        says="the old one is gone",
        edits=[("    partial_path = ", "    path.unlink(missing_ok=True)\n    partial_path = ")],
    ),
    Mutant(
        "copied_over",
        catches="save",
        why="A copy is written as slowly as the file itself.",
        says="does not take the old one's place by os.replace",
        edits=[
            (
                "    os.replace(partial_path, path)",
                "    path.write_bytes(partial_path.read_bytes())",
            )
        ],
    ),
    Mutant(
        "never_synced",
        catches="save",
        why="The rename may reach the disk before the bytes.",
        says="no os.fsync before os.replace",
        edits=[("        os.fsync(file.fileno())\n", "")],
    ),
    Mutant(
        "left_beside",
        catches="save",
        why="The new checkpoint lies beside the old one for ever.",
        says="cannot be read at `path`",
        edits=[("    os.replace(partial_path, path)\n", "")],
    ),
    Mutant(
        "weights_not_copied",
        catches="best",
        why="state_dict() holds the memory that training overwrites.",
        says="went on training",
        edits=[("copy.deepcopy(model.state_dict())", "model.state_dict()")],
    ),
    Mutant(
        "shallow_copy",
        catches="best",
        why="A new dict of the same tensors is no copy of them.",
        says="went on training",
        edits=[("copy.deepcopy(model.state_dict())", "dict(model.state_dict())")],
    ),
    Mutant(
        "min_delta_ignored",
        catches="best",
        why="A hair's breadth counts as a gain, and nothing ever stops.",
        says="min_delta is not looked at",
        edits=[("value < self.least - self.min_delta", "value < self.least")],
    ),
    Mutant(
        "min_delta_added",
        catches="best",
        why="A worse value counts as better.",
        says="min_delta has the wrong sign",
        edits=[("value < self.least - self.min_delta", "value < self.least + self.min_delta")],
    ),
    Mutant(
        "nan_is_better",
        catches="best",
        why="Every comparison with nan is false, so its negation is true.",
        says="nan counts as better",
        edits=[
            (
                "if value < self.least - self.min_delta:",
                "if not value >= self.least - self.min_delta:",
            )
        ],
    ),
    Mutant(
        "one_too_late",
        catches="best",
        why="Patience of 2 waits for three values.",
        says="one value too late",
        edits=[("return self.waited >= self.patience", "return self.waited > self.patience")],
    ),
    Mutant(
        "waited_not_reset",
        catches="best",
        why="Any few bad values end the run, however far apart.",
        says="does not set `waited` back",
        edits=[("self.least, self.waited = value, 0", "self.least = value")],
    ),
    Mutant(
        "last_weights",
        catches="best",
        why="The weights are kept whether or not they are better.",
        says="the weights of the last value",
        edits=[
            (
                "            self.waited += 1\n",
                "            self.waited += 1\n        self.weights = copy.deepcopy(model.state_dict())\n",
            ),
            (
                "            self.weights = copy.deepcopy(model.state_dict())\n        else:",
                "        else:",
            ),
        ],
    ),
    Mutant(
        "waited_not_saved",
        catches="best-state",
        why="Patience begins anew after each resume.",
        says="the patience begins anew",
        edits=[('"waited": self.waited, ', "")],
    ),
    Mutant(
        "least_not_saved",
        catches="best-state",
        why="The first value after the resume is the best, and its weights win.",
        says="the next value, however bad, is the best",
        edits=[('"least": self.least, ', "")],
    ),
    Mutant(
        "weights_not_saved",
        catches="best-state",
        why="The run ends with the last weights.",
        says="the best weights are not in the state",
        edits=[(', "weights": self.weights}', "}")],
    ),
    Mutant(
        "cleared_at_the_start",
        catches="killed",
        why="fit begins by clearing the gradients: of a resumed step the first batches are lost.",
        says="What does `fit` do before its first batch?",
        edits=[
            (
                "        while self.loader.epoch < epochs and not self.stop:",
                "        self.optimizer.zero_grad()\n        while self.loader.epoch < epochs and not self.stop:",
            )
        ],
    ),
    Mutant(
        "only_nan",
        catches="hopeless",
        why="inf comes before nan.",
        says="an infinite loss",
        edits=[("not math.isfinite(loop.loss_sum)", "math.isnan(loop.loss_sum)")],
    ),
    Mutant(
        "only_inf",
        catches="hopeless",
        why="nan compares as false with everything.",
        says="a loss of nan",
        edits=[("not math.isfinite(loop.loss_sum)", "abs(loop.loss_sum) == math.inf")],
    ),
    Mutant(
        "takes_it_back",
        catches="hopeless",
        why="Early stopping asked, and the run goes on.",
        says="takes it back",
        edits=[
            (
                "        if not math.isfinite(loop.loss_sum):\n            loop.stop = True",
                "        loop.stop = not math.isfinite(loop.loss_sum)",
            )
        ],
    ),
    Mutant(
        "validation_recorded",
        catches="activations",
        why="Passes of two kinds are mixed up.",
        says="evaluation mode are recorded",
        edits=[
            (
                "        if module.training:\n            self.means",
                "        if True:\n            self.means",
            )
        ],
    ),
    Mutant(
        "signed_mean",
        catches="activations",
        why="Positive and negative outputs cancel.",
        says="not of their absolute values",
        edits=[("output.abs().mean()", "output.mean()")],
    ),
    Mutant(
        "changed_in_place",
        catches="activations",
        why="Who watches changes the run.",
        says="changed in place",
        edits=[("output.abs().mean()", "output.abs_().mean()")],
    ),
    Mutant(
        "hook_returns",
        catches="activations",
        why="What a forward hook returns replaces the output.",
        says="takes the output's place",
        edits=[
            (
                ".append(output.abs().mean().item())",
                ".append(output.abs().mean().item())\n            return output.abs().mean()",
            )
        ],
    ),
    Mutant(
        "only_the_last_pass",
        catches="activations",
        why="Each pass overwrites the one before.",
        says="only the last pass is kept",
        edits=[
            (
                "self.means.setdefault(name, []).append(output.abs().mean().item())",
                "self.means[name] = [output.abs().mean().item()]",
            )
        ],
    ),
    Mutant(
        "trial_counts",
        catches="lightning-best",
        why="An untrained network on two batches may be lucky.",
        says="the trial before training",
        edits=[("        if not trainer.sanity_checking:", "        if True:")],
    ),
    Mutant(
        "should_stop_not_set",
        catches="lightning-best",
        why="update says so, and nobody hears it.",
        says="the trainer is never asked to stop",
        edits=[("trainer.should_stop |= self.update", "self.update")],
    ),
    Mutant(
        "should_stop_overwritten",
        catches="lightning-best",
        why="Another callback's wish is lost.",
        says="this one takes it back",
        edits=[("trainer.should_stop |= self.update", "trainer.should_stop = self.update")],
    ),
    Mutant(
        "largest_stops",
        catches="at-hand",
        why="An accuracy would be maximised; a loss is not.",
        says="larger values count as better",
        edits=[
            (
                'shipped.EarlyStopping(monitor, mode="min"',
                'shipped.EarlyStopping(monitor, mode="max"',
            )
        ],
    ),
    Mutant(
        "patience_not_passed",
        catches="at-hand",
        why="Three is what EarlyStopping has by default.",
        says="patience that EarlyStopping has by default",
        edits=[(", patience=patience)", ")")],
    ),
    Mutant(
        "last_checkpoint_kept",
        catches="at-hand",
        why="Without monitor, ModelCheckpoint keeps the latest.",
        says="holds the last weights",
        edits=[('"best", monitor=monitor, mode="min"', '"best"')],
    ),
    Mutant(
        "all_checkpoints_kept",
        catches="at-hand",
        why="The disk fills up.",
        says="all checkpoints are kept",
        edits=[('"best", monitor=monitor, mode="min"', '"best", monitor=monitor, mode="min", save_top_k=-1')],
    ),
    Mutant(
        "no_folder",
        catches="at-hand",
        why="The checkpoint lies where nobody looks for it.",
        says="there is no best.ckpt",
        edits=[
            ('shipped.ModelCheckpoint(folder, "best"', 'shipped.ModelCheckpoint(folder, "last"')
        ],
    ),
    Mutant(
        "position_modulo",
        catches="last-batch",
        why="Behind the last batch the modulo is 0, and the epoch is trained once more.",
        edits=[("[self.position :]:", "[self.position % len(self) :]:")],
    ),
    Mutant(
        "losses_are_positive",
        catches="other-curve",
        why="A gain in per cent of the least value turns round below 0.",
        edits=[
            (
                "value < self.least - self.min_delta",
                "value < self.least - self.min_delta * (1 if self.least > 0 else -1)",
            )
        ],
    ),
    Mutant(
        "nothing_to_resume",
        catches="epoch-ends",
        why="A position of 0 is taken for a run that has not begun.",
        edits=[
            (
                '        for name in ("model", "optimizer", "scheduler", "loader"):',
                '        if not state["loader"]["position"]:\n            return\n        for name in ("model", "optimizer", "scheduler", "loader"):',
            )
        ],
    ),
    Mutant(
        "never_over_a_leftover",
        catches="killed-hard",
        why="Half a file is left of the kill, and no later save dares to write over it.",
        edits=[('partial_path.open("wb")', 'partial_path.open("xb")')],
    ),
    Mutant(
        "never_stopped",
        catches="nats",
        why="Trained to the end, with the last weights: the baseline. Wrong labels are learnt by heart.",
        edits=[("EarlyStopping(patience=8), ", "")],
    ),
]
