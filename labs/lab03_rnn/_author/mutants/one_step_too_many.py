CATCHES = "mask"
WHY = "The first step of the padding counts."
EDITS = [("device=length_B.device) < length_B", "device=length_B.device) <= length_B")]
