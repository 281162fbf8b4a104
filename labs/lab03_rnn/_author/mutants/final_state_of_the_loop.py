CATCHES = "padding"
WHY = "The state that the loop ends with has read the padding of all but the longest."
EDITS = [
    ("y_BTH, _ = self.lstm(", "_, (h_BH, _) = self.lstm("),
    ("self.head(self.dropout(self.readout(y_BTH, length_B)))", "self.head(self.dropout(h_BH))"),
]
