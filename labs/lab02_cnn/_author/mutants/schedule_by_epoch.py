CATCHES = "schedule"
WHY = (
    "Lightning's default interval: the schedule moves once an epoch and never gets off the ground."
)
EDITS = [(', "interval": "step"', "")]
