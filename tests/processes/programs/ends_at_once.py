"""Records as many events as COUNT says, and ends at once as ENDING says."""

import os

from endings import end
from starts import session

for n in range(int(os.environ["COUNT"])):
    session.track_event(event=str(n))
end()
