"""Reading back what is recorded: typed rows, data frames and exports, of a server or of its database.

:func:`read` is the way in. ``source.py`` fetches lines, ``rows.py`` makes rows of them, ``frames.py`` tables, and
``files.py`` writes files. ``analysing.py`` analyses rows. The command that exports is in ``cli/``.
"""

from __future__ import annotations

from .analysing import Finding, analyse, dialogues, findings
from .reading import Archive, Rows, read
from .rows import CallRow, ConversationRow, EventRow, SessionRow, TurnRow

__all__ = [
    "Archive",
    "CallRow",
    "ConversationRow",
    "EventRow",
    "Finding",
    "Rows",
    "SessionRow",
    "TurnRow",
    "analyse",
    "dialogues",
    "findings",
    "read",
]
