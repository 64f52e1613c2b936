"""Records on a real thread, on a green one, and on a real one again. Prints how many events were delivered."""

from green_pools import elsewhere  # isort: skip  it replaces Python's threads
from starts import client, session


def record() -> None:
    for n in range(5):
        session.track_event(event=str(n))


elsewhere(record)
session.track_event(event="at home")
elsewhere(record)
print(client.flush(20).delivered)
