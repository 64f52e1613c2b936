"""Records a session with a handler of live events in an exit handler."""

import atexit

# registered before the import of the package, so it is called last
atexit.register(lambda: last())  # noqa: PLW0108  it is defined below
from mindlytics import Client, MLEvent  # noqa: E402

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)


client = Client()


def last() -> None:
    session = client.create_session(on_event=hear)
    session.track_event(event="Late")
    session.end_session()
    session.flush()
    print(names)
