CATCHES = "buckets"
WHY = "A bucket is closed only after it has become too large."
EDITS = [("size + p.nbytes > most_bytes", "size > most_bytes")]
