"""Results in the formats of gradebooks and graders: `grades` reads, a module each writes."""
