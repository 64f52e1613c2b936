"""A long run under faults, outside of the usual tests: ``python -m tests.soak --help``."""
