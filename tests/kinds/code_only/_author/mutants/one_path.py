CATCHES = "backward"
WHY = "Of several paths only the last one counts."
EDITS = [("node.grad += upstream", "node.grad = upstream")]
