CATCHES = "forward"
WHY = "Without ReLU any number of linear layers is one linear layer."
EDITS = [
    (
        "Linear(fan_in, fan_out), nn.ReLU(), nn.Dropout(dropout)",
        "Linear(fan_in, fan_out), nn.Identity(), nn.Dropout(dropout)",
    ),
]
