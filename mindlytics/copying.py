"""Copies of clients, within the process and through pickle. A secret never leaves the process.

A pickled client is its settings. The API key comes from the environment of the process that unpickles it. So pickling
requires the key in the environment here, which child processes inherit.
"""

from __future__ import annotations

from typing import TypeVar

from .settings import Settings

C = TypeVar("C", bound="Copied")


class Copied:
    """The base of classes whose copies have the same settings."""

    def _copied(self, settings: Settings, state: dict[str, object]) -> None:
        """Begin as a copy of another object. ``state`` is its state, or the pickled part of it."""
        raise NotImplementedError

    def _settings_of_copy(self) -> Settings:
        raise NotImplementedError

    def _pickled(self) -> dict[str, object]:
        """The state to pickle besides the settings."""
        return {}

    def __copy__(self: C) -> C:
        return _begun(type(self), self._settings_of_copy(), vars(self))

    def __deepcopy__(self: C, _: object) -> C:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        settings = self._settings_of_copy()
        return _unpickled, (type(self), type(settings), settings.without_key(), self._pickled())


def _begun(kind: type[C], settings: Settings, state: dict[str, object]) -> C:
    made = kind.__new__(kind)
    made._copied(settings, state)
    return made


def _unpickled(kind: type[C], settings_type: type[Settings], chosen: dict[str, object], state: dict[str, object]) -> C:
    return _begun(kind, settings_type.load(chosen), state)
