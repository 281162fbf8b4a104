CATCHES = "running-statistics"
WHY = (
    "momentum weighs the old average instead of the new value: the averages jump with every batch."
)
EDITS = [
    (
        "self.running_mean.lerp_(mean_C, self.momentum)",
        "self.running_mean.lerp_(mean_C, 1 - self.momentum)",
    ),
]
