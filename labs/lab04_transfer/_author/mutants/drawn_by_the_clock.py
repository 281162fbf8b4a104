CATCHES = "other-labels"
WHY = "Drawn from the global generator: the run cannot be repeated."
EDITS = [("torch.randperm(len(label_N), generator=generator)", "torch.randperm(len(label_N))")]
