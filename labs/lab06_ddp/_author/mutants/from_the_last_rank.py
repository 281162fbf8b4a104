CATCHES = "broadcast"
WHY = "The last rank is the source: what rank 0 has loaded is lost."
EDITS = [
    (
        "dist.broadcast(tensor, src=0)",
        "dist.broadcast(tensor, src=dist.get_world_size() - 1)",
    ),
]
