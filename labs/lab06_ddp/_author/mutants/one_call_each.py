CATCHES = "launch"
WHY = "One call for each gradient of the bucket: the bucket saves nothing."
EDITS = [
    (
        ("        flat = torch.cat([p.grad.flatten() for p in self.buckets[number]])\n"),
        (
            "        for p in self.buckets[number]:\n"
            "            dist.all_reduce(p.grad)\n"
            "            p.grad /= dist.get_world_size()\n"
            "        flat = torch.cat([p.grad.flatten() for p in self.buckets[number]])\n"
        ),
    ),
]
