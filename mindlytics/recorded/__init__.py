"""Reading back what is recorded: typed rows, data frames and exports, of a server or of its database.

:func:`read` is the way in. ``source.py`` fetches lines, ``rows.py`` makes rows of them, ``frames.py`` tables, and
``files.py`` writes files. The command that exports is in ``cli/``.
"""

from __future__ import annotations

from .reading import Recorded, Rows, read
from .rows import CallRow, ConversationRow, EventRow, SessionRow, TurnRow

__all__ = ["CallRow", "ConversationRow", "EventRow", "Recorded", "Rows", "SessionRow", "TurnRow", "read"]
