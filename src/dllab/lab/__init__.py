"""Finding, reading and importing labs. See docs/architecture.md for what each module offers."""
