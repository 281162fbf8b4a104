CATCHES = "order"
WHY = "Nothing is shuffled."
EDITS = [("torch.randperm(self.items, generator=generator)", "torch.arange(self.items)")]
