"""A course beside its labs: who takes it, when work is due, and what a person has decided."""
