"""Secrets that may be held, passed on and compared, but show up nowhere: not in a ``repr``, a log or a traceback."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

SHORTEST = 6
"""Characters of a secret from which on it is masked in texts: a shorter one is found in ordinary words."""

MASK = "***"


@frozen(repr=False)
class Secret:
    """A text whose ``repr`` and ``str`` are masked. Equal to another of the same text.

    Debuggers and error reporters show the local variables of every frame; a plain text there would be read.
    """

    _text: str = field()

    def reveal(self) -> str:
        """The text itself. Call it where it is sent, not before."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled")

    def mask_in(self, text: str) -> str:
        """The text with every occurrence of the secret masked."""
        return text.replace(self._text, MASK) if len(self._text) >= SHORTEST else text


NO_SECRET = Secret("")

Headers = Mapping[str, "str | Secret"]
"""Headers of a request. Those that authenticate are secrets, which a transport reveals."""


def revealed(headers: Headers) -> dict[str, str]:
    """The headers as they are sent."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
