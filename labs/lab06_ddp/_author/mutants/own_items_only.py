CATCHES = "metric"
WHY = "The counts are this rank's: the score is that of its shard."
EDITS = [("    dist.all_reduce(confusion_CC)\n", "")]
