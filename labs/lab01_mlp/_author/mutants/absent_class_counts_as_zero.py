CATCHES = "absent-class"
WHY = "A class that never shows up drags the mean down."
EDITS = [
    (
        ".diagonal()[seen_C] / twice_C[seen_C]).mean()",
        ".diagonal() / twice_C.clamp_min(1)).mean()",
    ),
]
