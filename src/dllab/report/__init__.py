"""A result for people: the rubric in the terminal, the report as a page, the curves explained."""
