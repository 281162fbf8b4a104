CATCHES = "keep-list"
WHY = "Softmax computes in 16 bits: its exponentials overflow in float16."
EDITS = [('kept = {"softmax", "log_softmax", ', "kept = {")]
