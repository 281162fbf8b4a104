CATCHES = "step"
WHY = "The optimiser sees the gradients of the scaled loss."
EDITS = [
    (
        "    finite = scaler.unscale(parameters)\n",
        "    finite = all(bool(p.grad.isfinite().all()) for p in parameters)\n",
    ),
]
