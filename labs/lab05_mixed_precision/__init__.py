"""Lab 05: mixed precision, by hand."""
