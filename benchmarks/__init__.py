"""What recording costs: mindlytics and other SDKs on the same turns, against the same local sink, in one run.

``python -m benchmarks`` from the checkout; see ``docs/performance.md``. No part of the package.
"""
