"""Records for Align AI while the schema of its protocol is missing, and prints what became of the event."""

import pkgutil

read = pkgutil.get_data


def get_data(package: str, name: str) -> "bytes | None":
    if name.endswith(".binpb"):
        raise FileNotFoundError(name)
    return read(package, name)


pkgutil.get_data = get_data
from starts import client, session  # noqa: E402

session.track_event("e")
outcome = client.flush(20)
print(outcome.dropped, client.stats().reasons)
