"""For tests of your own program: what it records, without a server, a network or credentials.

    from mindlytics.testing import recording

    with recording() as recorded:
        answer("What is the weather?")
    assert ["What is the weather?"] == [turn.user for turn in recorded.turns]

``plugin.py`` has the same as fixtures of pytest.
"""

from __future__ import annotations

from .._lazy import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .comparing import first_difference as first_difference
    from .recorded import Recorded as Recorded
    from .recorded import recording as recording

_HOMES = {"Recorded": ".recorded", "first_difference": ".comparing", "recording": ".recorded"}

__all__ = [  # noqa: PLE0604  the names of the table above
    *_HOMES
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy(__name__, _HOMES)
