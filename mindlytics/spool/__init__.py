"""Events on disk until they are settled: the bytes, one run's log, and the directory of all runs.

``pipeline/spooler.py`` calls it, and owns the threads, requests and accounts.
"""
