CATCHES = "preprocess"
WHY = "Pixels are divided by 255 as for other networks: the backbone sees an almost black image."
EDITS = [("        image_BCHW.float(), size", "        image_BCHW.float() / 255, size")]
