CATCHES = "whole-run"
WHY = "The replicas are never made equal: each starts from weights of its own."
EDITS = [("        broadcast_state(module)\n        learning", "        learning")]
