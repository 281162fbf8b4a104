CATCHES = "order"
WHY = "The global generator is used: ranks that have drawn other numbers before disagree."
EDITS = [("torch.randperm(self.items, generator=generator)", "torch.randperm(self.items)")]
