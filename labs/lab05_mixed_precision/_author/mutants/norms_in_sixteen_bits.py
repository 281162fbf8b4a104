CATCHES = "keep-list"
WHY = "Layer norm computes in 16 bits: sums of many squares lose their low bits, or overflow."
EDITS = [('"layer_norm", "batch_norm", "exp"', '"batch_norm", "exp"')]
