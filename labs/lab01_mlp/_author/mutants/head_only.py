CATCHES = "optimizer"
WHY = "Only the last layer is in the optimiser: the hidden layers stay random."
EDITS = [
    ("torch.optim.AdamW(self.parameters()", "torch.optim.AdamW(self.net[-1].parameters()"),
]
