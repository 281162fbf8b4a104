"""Lab 04: transfer learning with few labels."""
