"""Records 50 events, and prints which files it opened to write and which modules of the spool it imported."""

import sys
from typing import Any

opened: list[tuple[Any, ...]] = []
sys.addaudithook(lambda name, args: opened.append(args[:2]) if name in ("open", "os.mkdir") else None)
from starts import client, session  # noqa: E402

for n in range(50):
    session.track_event(event=str(n))
client.flush()
print([each for each in opened if str(each[1]).startswith(("w", "a", "r+"))])
print([name for name in sys.modules if "spool" in name])
