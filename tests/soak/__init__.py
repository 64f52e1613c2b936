"""A long run under faults; not among the tests that run by default: ``python -m tests.soak --help``."""
