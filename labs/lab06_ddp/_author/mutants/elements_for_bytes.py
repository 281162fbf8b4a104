CATCHES = "buckets"
WHY = "Numbers are counted instead of bytes: buckets are four times as large."
EDITS = [
    (
        "size + p.nbytes > most_bytes",
        "size + p.numel() > most_bytes",
    ),
    (
        "size += p.nbytes",
        "size += p.numel()",
    ),
]
