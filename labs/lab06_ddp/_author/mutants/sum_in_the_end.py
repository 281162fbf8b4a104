CATCHES = "finish"
WHY = "The division by the world's size is missing in the bucketed version."
EDITS = [("flat / dist.get_world_size()", "flat")]
