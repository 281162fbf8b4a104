CATCHES = "gradients"
WHY = "The weight is cut off from the graph and never learns."
EDITS = [("x @ self.weight.T + self.bias", "x @ self.weight.detach().T + self.bias")]
