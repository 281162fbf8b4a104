CATCHES = "one-cycle"
WHY = "Straight lines instead of half cosines."
EDITS = [("(1 - math.cos(math.pi * p)) / 2", "p")]
