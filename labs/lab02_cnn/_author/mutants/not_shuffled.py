CATCHES = "train-loader"
WHY = "Every epoch shows the images in the same order."
EDITS = [("shuffle=True, ", "")]
