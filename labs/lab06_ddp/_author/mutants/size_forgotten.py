CATCHES = "buckets"
WHY = "The size is not reset with a new bucket: all later buckets hold one parameter."
EDITS = [
    (
        "            buckets.append([])\n            size = 0",
        "            buckets.append([])",
    ),
]
