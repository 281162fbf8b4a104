CATCHES = "underflow"
WHY = "The loss is not scaled, nor the gradients unscaled: small gradients underflow."
EDITS = [
    (
        ("    (loss * scaler.scale).backward()\n    finite = scaler.unscale(parameters)\n"),
        (
            "    loss.backward()\n"
            "    finite = all(bool(p.grad.isfinite().all()) for p in parameters)\n"
        ),
    ),
]
