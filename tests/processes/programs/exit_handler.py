"""Records 50 events in an exit handler. With EARLY set, the handler is registered before the package is imported."""

import atexit
import os


def record() -> None:
    from starts import session

    for n in range(50):
        session.track_event(event=str(n))


if os.environ.get("EARLY"):
    atexit.register(record)
import starts  # noqa: E402, F401  it makes the client

if not os.environ.get("EARLY"):
    atexit.register(record)
