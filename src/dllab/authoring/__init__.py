"""Making labs: stripping solutions, scaffolding, proving, calibrating, releasing."""
