"""The reference, its hidden checks and its mutants: not part of a learner's copy."""
