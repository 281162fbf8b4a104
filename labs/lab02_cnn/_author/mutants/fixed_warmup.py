CATCHES = "other-cycles"
WHY = "The warm-up is 30 % whatever was asked for."
EDITS = [("peak = warmup * steps", "peak = 0.3 * steps")]
