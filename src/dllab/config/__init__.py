"""The config room: YAML files and overrides in, plain dataclasses out."""
