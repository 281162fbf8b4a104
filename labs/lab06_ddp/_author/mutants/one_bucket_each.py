CATCHES = "buckets"
WHY = "Every parameter has its own bucket: many small messages."
EDITS = [("not buckets or size + p.nbytes > most_bytes", "True")]
