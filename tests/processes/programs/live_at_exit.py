"""Records a session with a handler of live events in an exit handler."""

import atexit

# registered before the import of the package, so it is called last
atexit.register(lambda: last())  # noqa: PLW0108  it is defined below
from hears import hear, names  # noqa: E402

from mindlytics import Client  # noqa: E402

client = Client()


def last() -> None:
    session = client.create_session(on_event=hear)
    session.track_event(event="Late")
    session.end_session()
    session.flush()
    print(names)
