CATCHES = "act"
WHY = "A push without bounds."
EDITS = [("torch.tanh(self.policy(observations))", "self.policy(observations)")]
