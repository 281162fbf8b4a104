CATCHES = "he-init"
WHY = "A plain tensor is no parameter: no optimiser sees it, no checkpoint saves it."
EDITS = [
    ("self.bias = nn.Parameter(torch.zeros(fan_out))", "self.bias = torch.zeros(fan_out)"),
]
