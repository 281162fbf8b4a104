CATCHES = "clipped"
WHY = "Clipping before unscaling: the clipped gradients are divided once more, and hardly move."
EDITS = [
    (
        (
            "    finite = scaler.unscale(parameters)\n"
            "    if finite:\n"
            "        nn.utils.clip_grad_norm_(parameters, max_norm)\n"
        ),
        (
            "    nn.utils.clip_grad_norm_(parameters, max_norm)\n"
            "    finite = scaler.unscale(parameters)\n"
            "    if finite:\n"
        ),
    ),
]
