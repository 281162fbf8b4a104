"""Lab 03: recurrent networks."""
