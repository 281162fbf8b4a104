CATCHES = "buckets"
WHY = "The first bucket begins with the first layer, whose gradient comes last: nothing overlaps."
EDITS = [("for p in reversed(parameters)", "for p in parameters")]
