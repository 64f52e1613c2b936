"""Records 50 events, or as many as COUNT says, and ends with its last line or as ENDING says."""

import os

from endings import end
from starts import session

for n in range(int(os.environ.get("COUNT", "50"))):
    session.track_event(event=str(n))
end()
