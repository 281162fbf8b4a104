CATCHES = "critic"
WHY = "The critic's loss reaches the generator, which then helps its opponent."
EDITS = [("fake.detach()", "fake")]
