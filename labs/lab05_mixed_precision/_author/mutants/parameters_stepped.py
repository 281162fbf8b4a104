CATCHES = "master-step"
WHY = "The parameters are moved directly, the copies only follow: small steps vanish."
EDITS = [
    (
        "        self.optimizer.step()\n        for low",
        (
            "        for low in self.low:\n"
            "            if low.grad is not None:\n"
            "                low.sub_(1e-3 * low.grad)\n"
            "        for low"
        ),
    ),
    (
        "            low.copy_(high)",
        "            high.copy_(low)",
    ),
]
