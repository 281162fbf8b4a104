CATCHES = "constant-pixels"
WHY = "A pixel that is black in all training images is divided by (nearly) nothing."
EDITS = [(".clamp_min(1)", ".clamp_min(1e-8)")]
