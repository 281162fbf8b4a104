CATCHES = "finish"
WHY = "The counters are not reset: from the second step on no bucket is launched."
EDITS = [
    (
        "                p.grad.copy_(part.view_as(p))\n        self.reset()",
        ("                p.grad.copy_(part.view_as(p))\n        self.flights = {}"),
    ),
]
