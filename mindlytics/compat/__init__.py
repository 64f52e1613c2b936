"""The names of other clients over this one, for programs that were written for them: a module for each client."""
