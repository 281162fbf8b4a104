CATCHES = "overlap"
WHY = "Whatever came early is sent a second time at the end, to be safe."
EDITS = [
    (
        ("        for number, (flat, handle) in self.flights.items():\n            handle.wait()"),
        (
            "        for number, (flat, handle) in self.flights.items():\n"
            "            handle.wait()\n"
            "            dist.all_reduce(torch.zeros(1))"
        ),
    ),
]
