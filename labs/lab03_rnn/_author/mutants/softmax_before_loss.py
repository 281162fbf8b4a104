CATCHES = "nats"
WHY = "softmax before cross-entropy, which takes it again."
EDITS = [
    (
        "F.cross_entropy(logits_BTV.flatten(0, 1), token_BT",
        "F.cross_entropy(logits_BTV.softmax(2).flatten(0, 1), token_BT",
    )
]
