"""Lab 06: data-parallel training, by hand."""
