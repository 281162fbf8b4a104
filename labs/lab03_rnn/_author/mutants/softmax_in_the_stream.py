CATCHES = "chars"
WHY = "softmax before the loss: the gradient nearly vanishes, the logits say nothing."
EDITS = [
    (
        "return nats(self.head(self.dropout(y_BTH)), next_BT)",
        "return nats(self.head(self.dropout(y_BTH)).softmax(dim=2), next_BT)",
    )
]
