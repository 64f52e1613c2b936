"""Events on disk until the service has answered for good: bytes, one run's log, and the directory of all runs.

Nothing here knows of threads of its own, of requests or of accounts. ``pipeline/spooler.py`` drives it.
"""
