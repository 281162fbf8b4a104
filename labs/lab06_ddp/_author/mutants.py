"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("copy_is_sent", catches="broadcast",
        why="A copy is overwritten, the module stays as it was.",
        edits=[("dist.broadcast(tensor, src=0)", "dist.broadcast(tensor.clone(), src=0)")]),
    Mutant("from_the_last_rank", catches="broadcast",
        why="The last rank is the source: what rank 0 has loaded is lost.",
        edits=[("dist.broadcast(tensor, src=0)",
                "dist.broadcast(tensor, src=dist.get_world_size() - 1)")]),
    Mutant("parameters_only", catches="broadcast",
        why="Buffers are not sent: the ranks evaluate with other running averages.",
        edits=[("    for tensor in module.state_dict().values():\n"
                 "        dist.broadcast(tensor, src=0)",
                "    for p in module.parameters():\n        dist.broadcast(p.data, src=0)")]),

    Mutant("every_rank_for_itself", catches="all-reduce",
        why="Gradients are divided but never exchanged: the replicas drift apart.",
        edits=[("        dist.all_reduce(p.grad)\n", "")]),
    Mutant("sum_not_mean", catches="all-reduce",
        why="The division by the world's size is missing: the rate grows with the number of processes.",
        edits=[("        p.grad /= dist.get_world_size()\n", "")]),

    Mutant("elements_for_bytes", catches="buckets",
        why="Numbers are counted instead of bytes: buckets are four times as large.",
        edits=[("size + p.nbytes > most_bytes", "size + p.numel() > most_bytes"),
               ("size += p.nbytes", "size += p.numel()")]),
    Mutant("first_layer_first", catches="buckets",
        why="The first bucket begins with the first layer, whose gradient comes last: nothing overlaps.",
        edits=[("for p in reversed(parameters)", "for p in parameters")]),
    Mutant("one_bucket_each", catches="buckets",
        why="Every parameter has its own bucket: many small messages.",
        edits=[("not buckets or size + p.nbytes > most_bytes", "True")]),
    Mutant("overfull", catches="buckets",
        why="A bucket is closed only after it has become too large.",
        edits=[("size + p.nbytes > most_bytes", "size > most_bytes")]),
    Mutant("size_forgotten", catches="buckets",
        why="The size is not reset with a new bucket: all later buckets hold one parameter.",
        edits=[("            buckets.append([])\n            size = 0",
                "            buckets.append([])")]),

    Mutant("all_at_the_end", catches="ready",
        why="Buckets wait until the last gradient of all has come: communication begins when it could end.",
        edits=[("        if self.missing[number] == 0:\n            self.launch(number)",
                "        if not any(self.missing):\n"
                "            for late in range(len(self.buckets)):\n"
                "                self.launch(late)")]),
    Mutant("first_gradient_launches", catches="ready",
        why="A bucket leaves with the first of its gradients; the others are stale, or None.",
        edits=[("if self.missing[number] == 0",
                "if self.missing[number] == len(self.buckets[number]) - 1")]),
    Mutant("never_launched", catches="ready",
        why="No bucket ever leaves: every rank trains by itself.",
        edits=[("            self.launch(number)\n", "            pass\n")]),

    Mutant("one_call_each", catches="launch",
        why="One call for each gradient of the bucket: the bucket saves nothing.",
        edits=[("        flat = torch.cat([p.grad.flatten() for p in self.buckets[number]])\n",
                "        for p in self.buckets[number]:\n"
                "            dist.all_reduce(p.grad)\n"
                "            p.grad /= dist.get_world_size()\n"
                "        flat = torch.cat([p.grad.flatten() for p in self.buckets[number]])\n")]),
    Mutant("waits_at_once", catches="launch",
        why="The call waits for its result: the backward pass stands still meanwhile.",
        edits=[("dist.all_reduce(flat, async_op=True)\n        # END",
                "_Done(dist.all_reduce(flat))\n        # END"),
               ("class DataParallel:",
                "class _Done:\n"
                "    def __init__(self, _nothing: object) -> None: ...\n"
                "    def wait(self) -> None: ...\n"
                "\n"
                "\n"
                "class DataParallel:")]),
    Mutant("weights_are_sent", catches="launch",
        why="The parameters travel in place of their gradients.",
        edits=[("p.grad.flatten() for p in self.buckets",
                "p.detach().flatten() for p in self.buckets")]),

    Mutant("added_to_the_gradient", catches="finish",
        why="The mean is added to the rank's own gradient.",
        edits=[("p.grad.copy_(part.view_as(p))", "p.grad.add_(part.view_as(p))")]),
    Mutant("never_copied_back", catches="finish",
        why="The means stay in the flat tensor, the gradients are those of the rank alone.",
        edits=[("                p.grad.copy_(part.view_as(p))",
                "                p.grad = p.grad.clone()")]),
    Mutant("never_reset", catches="finish",
        why="The counters are not reset: from the second step on no bucket is launched.",
        edits=[("                p.grad.copy_(part.view_as(p))\n        self.reset()",
                "                p.grad.copy_(part.view_as(p))\n        self.flights = {}")]),
    Mutant("sum_in_the_end", catches="finish",
        why="The division by the world's size is missing in the bucketed version.",
        edits=[("flat / dist.get_world_size()", "flat")]),
    Mutant("wrong_places", catches="finish",
        why="The parts go back in reverse order: where sizes fit, to the wrong parameters.",
        edits=[("for p, part in zip(bucket, mean.split([p.numel() for p in bucket]), strict=True)",
                "for p, part in zip(bucket, mean.flip(0).split([p.numel() for p in bucket]), strict=True)")]),

    Mutant("each_rank_shuffles", catches="order",
        why="Every rank shuffles for itself: shards overlap, and some items are never seen.",
        edits=[("hash((self.seed, self.epoch))", "hash((self.seed, self.epoch, self.rank))")]),
    Mutant("global_generator", catches="order",
        why="The global generator is used: ranks that have drawn other numbers before disagree.",
        edits=[("torch.randperm(self.items, generator=generator)", "torch.randperm(self.items)")]),
    Mutant("no_set_epoch", catches="order",
        why="The epoch is not used: every epoch comes in the same order.",
        edits=[("hash((self.seed, self.epoch))", "self.seed")]),
    Mutant("not_shuffled", catches="order",
        why="Nothing is shuffled.",
        edits=[("torch.randperm(self.items, generator=generator)", "torch.arange(self.items)")]),
    Mutant("seed_ignored", catches="order",
        why="The order depends on the epoch alone.",
        edits=[("hash((self.seed, self.epoch))", "self.epoch")]),

    Mutant("empty_ranks_skip", catches="shard",
        why="A rank without items skips the step, and the others wait for ever in the collective call.",
        edits=[("            yield batch[self.rank :: self.world]",
                "            if len(batch) > self.rank:\n"
                "                yield batch[self.rank :: self.world]")]),
    Mutant("everyone_sees_all", catches="shard",
        why="Every rank takes the whole batch: nothing is divided.",
        edits=[("yield batch[self.rank :: self.world]", "yield batch")]),
    Mutant("last_batch_dropped", catches="shard",
        why="The short last batch is left out: some items are never seen.",
        edits=[("            yield batch[self.rank :: self.world]",
                "            if len(batch) == self.batch_size:\n"
                "                yield batch[self.rank :: self.world]")]),
    Mutant("padded", catches="shard",
        why="Short shares are filled up with items that others have, too: they count twice.",
        edits=[("yield batch[self.rank :: self.world]",
                "yield batch[torch.arange(self.rank, max(len(batch), self.world), self.world) % len(batch)]")]),

    Mutant("mean_of_means", catches="uneven",
        why="The mean over this rank's items: an item of a short batch counts more than others; of none, it is nan.",
        edits=[("loss_B.sum() * dist.get_world_size() / count",
                "loss_B.sum() / max(len(loss_B), 1)")]),
    Mutant("nan_of_no_items", catches="uneven",
        why="The mean of no items is nan, and the sum over the ranks makes it everyone's.",
        edits=[("loss_B.sum() * dist.get_world_size() / count",
                "loss_B.mean() * len(loss_B) * dist.get_world_size() / count")]),
    Mutant("nobody_counts", catches="uneven",
        why="The other ranks' items are not counted.",
        edits=[("    dist.all_reduce(count)\n    return", "    return")]),
    Mutant("world_forgotten", catches="uneven",
        why="Divided by all items, and by the world's size once more.",
        edits=[("loss_B.sum() * dist.get_world_size() / count", "loss_B.sum() / count")]),

    Mutant("averaged_counts", catches="metric",
        why="Counts are averaged over the ranks, and rounded.",
        edits=[("    dist.all_reduce(confusion_CC)\n",
                "    dist.all_reduce(confusion_CC)\n"
                "    confusion_CC //= dist.get_world_size()\n")]),
    Mutant("own_items_only", catches="metric",
        why="The counts are this rank's: the score is that of its shard.",
        edits=[("    dist.all_reduce(confusion_CC)\n", "")]),
    Mutant("seen_classes_only", catches="metric",
        why="Classes that a rank has not seen are missing from its table.",
        edits=[("bincount(minlength=classes**2)", "bincount()")]),
    Mutant("transposed", catches="metric",
        why="Rows and columns are swapped.",
        edits=[("label_B * classes + predicted_B", "predicted_B * classes + label_B")]),

    Mutant("no_warmup", catches="scaled-lr",
        why="The full rate from the first step: early training diverges.",
        edits=[("return target if step >= warmup else lr + (target - lr) * step / warmup",
                "return target")]),
    Mutant("not_scaled", catches="scaled-lr",
        why="The rate stays: fewer steps, each as small as before.",
        edits=[("target = lr * batch / base_batch", "target = lr")]),
    Mutant("square_root", catches="scaled-lr",
        why="The rule for Adam: the root of the factor.",
        edits=[("target = lr * batch / base_batch", "target = lr * (batch / base_batch) ** 0.5")]),
    Mutant("warmup_from_zero", catches="scaled-lr",
        why="The warm-up begins at 0, where nothing is learned.",
        edits=[("lr + (target - lr) * step / warmup", "target * step / warmup")]),

    Mutant("unused_left_out", catches="unused",
        why="A rank without a gradient skips the call, and all others wait for it, or add up the wrong things.",
        edits=[("        if p.grad is None:\n"
                 "            p.grad = torch.zeros_like(p)\n"
                 "        dist.all_reduce(p.grad)\n"
                 "        p.grad /= dist.get_world_size()",
                "        if p.grad is not None:\n"
                "            dist.all_reduce(p.grad)\n"
                "            p.grad /= dist.get_world_size()")]),

    Mutant("launched_again", catches="overlap",
        why="Whatever came early is sent a second time at the end, to be safe.",
        edits=[("        for number, (flat, handle) in self.flights.items():\n"
                 "            handle.wait()",
                "        for number, (flat, handle) in self.flights.items():\n"
                "            handle.wait()\n"
                "            dist.all_reduce(torch.zeros(1))")]),

    Mutant("world_of_three", catches="other-shards",
        why="The number of ranks is written down instead of asked for.",
        edits=[("yield batch[self.rank :: self.world]", "yield batch[self.rank :: 3]")]),

    Mutant("stale_replicas", catches="whole-run",
        why="The replicas are never made equal: each starts from weights of its own.",
        edits=[("        broadcast_state(module)\n        learning", "        learning")]),
]
