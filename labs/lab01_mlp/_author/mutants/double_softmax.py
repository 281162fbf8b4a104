CATCHES = "cross-entropy"
WHY = "softmax before cross-entropy, which takes its own: the gradients become small and flat."
EDITS = [
    ("log_softmax(logits_BC).gather", "log_softmax(logits_BC.softmax(dim=1)).gather"),
]
