CATCHES = "mirror"
WHY = "Top and bottom are swapped instead of left and right."
EDITS = [("image_BCHW.flip(3)", "image_BCHW.flip(2)")]
