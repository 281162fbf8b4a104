CATCHES = "nats"
WHY = "Positions and classes are confused."
EDITS = [
    (
        "F.cross_entropy(logits_BTV.flatten(0, 1), token_BT.flatten())",
        "F.nll_loss(logits_BTV.log_softmax(1).flatten(0, 1), token_BT.flatten())",
    )
]
