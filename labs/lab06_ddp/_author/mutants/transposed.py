CATCHES = "metric"
WHY = "Rows and columns are swapped."
EDITS = [("label_B * classes + predicted_B", "predicted_B * classes + label_B")]
