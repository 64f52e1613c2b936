"""Records one event while the library in LIBRARY cannot be imported, and prints what became of it."""

import os
import sys

from mindlytics import Client

sys.modules[os.environ["LIBRARY"]] = None  # type: ignore[assignment]
errors: list[int] = []
client = Client(on_error=lambda error: errors.append(error.count))
client.create_session(id="u").track_event(event="e")
outcome = client.flush(20)
client.close()
print(outcome.dropped, outcome.pending, client.stats().reasons, errors)
print(client.get_errors()[0].message)
