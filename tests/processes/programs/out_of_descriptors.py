"""Uses up all file descriptors, records an event, and prints whether it is pending then and delivered later."""

import contextlib
import os
import resource

from mindlytics import Client

client = Client()
client.create_session(id="u").track_event(event="first")
assert client.flush(20).delivered == 1
client.close()
client = Client(flush_interval=0, max_retry_wait=0.1)
session = client.create_session(id="u")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held: list[int] = []
with contextlib.suppress(OSError):
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
session.track_event(event="second")
print(client.flush(1).pending)
for each in held:
    os.close(each)
print(client.flush(20).delivered)
