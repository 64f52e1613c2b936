"""What mindlytics and Langfuse record of the same runs, and the time that they add (``benchmarks/frameworks.py``)."""
