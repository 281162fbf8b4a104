CATCHES = "cost"
WHY = "Carts that race through the middle cost nothing there."
EDITS = [("(place_B.square() + speed_B.square())", "place_B.square()")]
