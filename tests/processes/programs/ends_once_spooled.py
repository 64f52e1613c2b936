"""Records 50 events, waits until they are in the spool, and ends as ENDING says."""

import time

from endings import end
from starts import client, session

for n in range(50):
    session.track_event(event=str(n))
while client.stats().spooled < 50:
    time.sleep(0.01)
end()
