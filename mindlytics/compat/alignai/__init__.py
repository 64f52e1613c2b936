"""The names of ``alignai``, Align AI's own client: ``from mindlytics.compat.alignai import AlignAI``.

This is :mod:`mindlytics.align` with the attributes of that client. The documentation's page on migrating lists what
differs. The modules ``config``, ``constants``, ``validate``, ``utils`` and ``integration`` have the names of that
package's.
"""

from __future__ import annotations

from .client import AlignAI

__all__ = ["AlignAI"]
