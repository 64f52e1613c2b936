"""The names of ``antonnia``: its packages ``antonnia-conversations`` and ``antonnia-events``, a module for each."""
