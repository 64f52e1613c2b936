"""Secrets, which can be passed on and compared, and stay hidden in a ``repr``, a log or a traceback."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

SHORTEST = 6
"""Fewest characters of a secret that is masked in texts. A shorter one occurs in ordinary words."""

MASK = "***"


@frozen(repr=False)
class Secret:
    """A text whose ``repr`` and ``str`` are masked. Secrets of the same text are equal.

    Debuggers and error reporters show local variables, which would reveal a plain text.
    """

    _text: str = field()

    def reveal(self) -> str:
        """The text itself. Call it only to send the secret."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret cannot be pickled")

    def mask_in(self, text: str) -> str:
        """The text with every occurrence of the secret masked."""
        return text.replace(self._text, MASK) if len(self._text) >= SHORTEST else text


NO_SECRET = Secret("")

Headers = Mapping[str, "str | Secret"]
"""A request's headers. Credentials among them are secrets, which a transport reveals."""


def revealed(headers: Headers) -> dict[str, str]:
    """The headers as plain text, to send them."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
