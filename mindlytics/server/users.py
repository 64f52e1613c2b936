"""Who a user is: what identify and alias do, and the user of a new session.

The rules are those of the protocol. A device alone has an anonymous user, whose id begins with ``ml_``. The first
identify turns that user into the named one. An id that is known already wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from ..errors import MISSING, InvalidEvent, MindlyticsError
from ..values import Scalar
from .records import Records, User


class UnknownUser(MindlyticsError):
    """No user has this id."""


def user_of(records: Records, scope: int, name: str | None, device_id: str | None) -> User | None:
    """The user of a new session, made if the id or the device is new. None without either.

    A new device becomes the named user's.
    """
    if name is None:
        return _user_of_device(records, scope, device_id) if device_id is not None else None
    user = records.user_called(scope, name) or records.new_user(scope, name, anonymous=False)
    if device_id is not None and records.user_of_device(scope, device_id) is None:
        records.link_device(user, device_id)
    return user


def identify(
    records: Records,
    scope: int,
    *,
    name: str | None,
    device_id: str | None,
    traits: Mapping[str, Scalar] | None,
    current: User | None = None,
) -> User:
    """Find or make the user, and merge the traits.

    :param name: the id, if known.
    :param device_id: the device, which belongs to this user from now on.
    :param current: the user of the current session, if there is one.
    :raises InvalidEvent: an id, a device and a current user are all missing.
    """
    if name is not None:
        user = _named(records, scope, name, device_id, current)
        if device_id is not None:
            records.link_device(user, device_id)
    elif current is not None:
        user = current
        if device_id is not None and records.user_of_device(scope, device_id) is None:
            records.link_device(user, device_id)
    elif device_id is not None:
        user = _user_of_device(records, scope, device_id)
    else:
        raise InvalidEvent("id", "given, or else device_id", MISSING)
    if traits:
        user.traits.update(traits)
        user.traits_json = ""
        records.changed(user)
    return user


def alias(records: Records, scope: int, *, name: str, previous: str) -> User:
    """Make ``name`` the primary id of the user with the previous id. The former ids stay as aliases.

    :raises UnknownUser: no user has the previous id.
    :raises InvalidEvent: the new id is another user's.
    """
    user = records.user_called(scope, previous)
    if user is None:
        raise UnknownUser("previous_id must be the id of a known user")
    owner = records.user_called(scope, name)
    if owner is not None and owner is not user:
        raise InvalidEvent("id", "an id that no other user has", name)
    _rename(records, user, name)
    return user


def anonymous_id(scope: int, device_id: str) -> str:
    """The id of the user of a device until an event names that user."""
    return "ml_" + hashlib.sha256(f"{scope}/{device_id}".encode()).hexdigest()[:24]


def traits_json(user: User) -> str:
    """The user's traits for a stored event, or an empty text."""
    if user.traits and not user.traits_json:
        user.traits_json = orjson.dumps(user.traits).decode()
    return user.traits_json


def _named(records: Records, scope: int, name: str, device_id: str | None, current: User | None) -> User:
    """The known user with this id, else the current anonymous one, renamed, else a new one."""
    known = records.user_called(scope, name)
    if known is not None:
        return known
    if current is None and device_id is not None:
        current = records.user_of_device(scope, device_id)
    if current is not None and current.anonymous:
        _rename(records, current, name)
        return current
    return records.new_user(scope, name, anonymous=False)


def _rename(records: Records, user: User, name: str) -> None:
    if name not in user.aliases:
        records.link_alias(user, name)
    user.id = name
    user.anonymous = 0
    records.changed(user)


def _user_of_device(records: Records, scope: int, device_id: str) -> User:
    user = records.user_of_device(scope, device_id)
    if user is None:
        name = anonymous_id(scope, device_id)
        user = records.user_called(scope, name) or records.new_user(scope, name, anonymous=True)
        records.link_device(user, device_id)
    return user
