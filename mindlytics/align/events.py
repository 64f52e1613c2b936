"""The events of Align AI: immutable, typed, and valid once made. The limits come from its reference page.

The clients build events through these validators, and the local server decodes with them, so the contract exists once
(as in ``mindlytics/events.py``). ``align/wire.py`` encodes them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from sys import getsizeof
from typing import Any, ClassVar

from attrs import Attribute, evolve, field, frozen

from ..cleaning.containers import is_mapping, items_of
from ..cleaning.numbers import whole_number
from ..errors import ValidationError
from ..events import EMPTY_SIZE, FEEDBACK_TYPES, AnyEvent
from ..values import UTC, now, plain_datetime, valid_text

ROLE_USER = "user"
ROLE_ASSISTANT = "assistant"
ROLES = (ROLE_USER, ROLE_ASSISTANT)
FEEDBACK_THUMBS_UP, FEEDBACK_THUMBS_DOWN = FEEDBACK_TYPES
DEFAULT_ASSISTANT_ID = "DEFAULT"

MAX_NAME = 64
"""Characters of an id or of a display name."""
MAX_EMAIL = 256
MAX_PROPERTIES = 10
MAX_PROPERTY = 256
"""Characters of a custom property's value."""
MAX_INDEX = 2**31 - 1
"""The largest int32, which the wire uses."""

PROPERTY_NAME = re.compile("[a-zA-Z][a-zA-Z0-9_]{0,63}")

COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905  a table is easier to read
)
"""The officially assigned codes of ISO 3166-1 alpha-2, as the time zone database lists them (iso3166.tab)."""

Validator = Callable[[object, "Attribute[Any]", object], None]


def _text(shortest: int, longest: int, *, optional: bool = False) -> Validator:
    """Check for a str of so many characters, which UTF-8 can encode."""
    rule = f"a str of {shortest} to {longest} characters" if shortest else f"a str of at most {longest} characters"

    def check(_: object, attribute: Attribute[object], value: object) -> None:
        if value is None and optional:
            return
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise ValidationError(attribute.name, rule, value)
        if value != valid_text(value):
            raise ValidationError(attribute.name, "valid Unicode, without lone surrogates", value)

    return check


_name = _text(1, MAX_NAME)


def _one_of(*allowed: str) -> Validator:
    def check(_: object, attribute: Attribute[object], value: object) -> None:
        if not isinstance(value, str) or value not in allowed:
            raise ValidationError(attribute.name, " or ".join(f'"{each}"' for each in allowed), value)

    return check


def _content(_: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValidationError(attribute.name, "a str that is not empty", value)


def _index(_: object, attribute: Attribute[int], value: object) -> None:
    if value is None and attribute.default is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_INDEX:
        raise ValidationError(attribute.name, f"an int from 1 to {MAX_INDEX}", value)


def _ip(_: object, attribute: Attribute[str], value: object) -> None:
    if value is None:
        return
    try:
        if not isinstance(value, str):
            raise AddressValueError
        IPv4Address(value)
    except AddressValueError:
        raise ValidationError(attribute.name, "an IPv4 address such as 192.0.2.7", value) from None


def _country(_: object, attribute: Attribute[str], value: object) -> None:
    if value is not None and (not isinstance(value, str) or value not in COUNTRIES):
        raise ValidationError(attribute.name, "an ISO 3166-1 alpha-2 code such as KR, in capitals", value)


def _datetime(_: object, attribute: Attribute[datetime], value: object) -> None:
    if value is not None and type(value) is not datetime:
        raise ValidationError(attribute.name, "a datetime", value)


def _aware(value: object) -> object:
    """A datetime without a zone is in UTC, as in the service's own client."""
    if not isinstance(value, datetime):
        return value
    try:
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None or value.utcoffset() is None else value
        return aware if type(aware) is datetime else plain_datetime(aware)
    except (TypeError, ValueError):  # pandas' NaT is an instance of datetime without being one
        return value


def _valid(value: object) -> object:
    return valid_text(value) if isinstance(value, str) else value


def checked_properties(properties: object) -> dict[str, str]:
    """Check the limits of custom properties and copy them. None becomes an empty dict.

    :raises ValidationError: they break a limit.
    """
    if properties is None:
        return {}
    if not is_mapping(properties):
        raise ValidationError("custom_properties", "a mapping of names to strings", properties)
    items, is_whole = items_of(properties)
    if len(items) > MAX_PROPERTIES:
        raise ValidationError("custom_properties", f"at most {MAX_PROPERTIES} properties, not {len(items)}", properties)
    if not is_whole:
        raise ValidationError("custom_properties", "a mapping whose items can be read", properties)
    checked: dict[str, str] = {}
    for key, value in items:
        if not isinstance(key, str) or not PROPERTY_NAME.fullmatch(key):
            raise ValidationError("a name in custom_properties", f"of the form ^{PROPERTY_NAME.pattern}$", key)
        if not isinstance(value, str) or len(value) > MAX_PROPERTY:
            raise ValidationError(f"custom_properties.{key}", f"a str of at most {MAX_PROPERTY} characters", value)
        checked[str(key)] = valid_text(value)
    return checked


@frozen(kw_only=True, repr=False)
class AlignEvent(AnyEvent):
    """What all events share: properties, a time and an id."""

    type: ClassVar[str]
    texts: ClassVar[Mapping[str, int | None]] = {}
    """The fields that hold what people say or who they are, and how long those may be."""

    custom_properties: Mapping[str, str] = field(default=None, converter=checked_properties)
    timestamp: datetime = field(factory=now)
    event_id: str = field(factory=lambda: uuid.uuid4().hex)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'event_id', '(incomplete)')}>"

    def redacted(self, redact: Callable[[str], str]) -> AlignEvent:
        """The event with what it says of people redacted, within its limits."""
        properties = {name: redact(value)[:MAX_PROPERTY] for name, value in self.custom_properties.items()}
        texts: dict[str, Any] = {
            name: redact(value)[:most]
            for name, most in self.texts.items()
            if isinstance(value := getattr(self, name), str)
        }
        return evolve(self, custom_properties=properties, **texts)

    def without_texts(self) -> AlignEvent:
        return self

    @property
    def size(self) -> int:
        return EMPTY_SIZE + sum(getsizeof(name) + getsizeof(value) for name, value in self.custom_properties.items())


@frozen(kw_only=True, repr=False)
class SessionOpen(AlignEvent):
    """A session begins. This identifies its user too."""

    type: ClassVar[str] = "session_open"

    session_id: str = field(validator=_name)
    user_id: str = field(validator=_name)
    assistant_id: str = field(default=DEFAULT_ASSISTANT_ID, validator=_text(0, MAX_NAME))


@frozen(kw_only=True, repr=False)
class SessionClose(AlignEvent):
    """A session ends."""

    type: ClassVar[str] = "session_close"

    session_id: str = field(validator=_name)


@frozen(kw_only=True, repr=False)
class UserRecognize(AlignEvent):
    """Who a user is. ``create_time`` is when the user signed up."""

    type: ClassVar[str] = "user_recognize"
    texts: ClassVar[Mapping[str, int | None]] = {"display_name": MAX_NAME, "email": MAX_EMAIL}

    user_id: str = field(validator=_name)
    display_name: str | None = field(default=None, validator=_text(0, MAX_NAME, optional=True))
    email: str | None = field(default=None, validator=_text(0, MAX_EMAIL, optional=True))
    ip: str | None = field(default=None, validator=_ip)
    country_code: str | None = field(default=None, validator=_country)
    create_time: datetime | None = field(default=None, converter=_aware, validator=_datetime)


@frozen(kw_only=True, repr=False)
class MessageCreate(AlignEvent):
    """One message of a session. ``message_index`` is its place there."""

    type: ClassVar[str] = "message_create"
    texts: ClassVar[Mapping[str, int | None]] = {"content": None}

    session_id: str = field(validator=_name)
    message_index: int = field(converter=whole_number, validator=_index)
    role: str = field(validator=_one_of(*ROLES))
    content: str = field(converter=_valid, validator=_content)

    @property
    def size(self) -> int:
        return super().size + getsizeof(self.content)

    def without_texts(self) -> MessageCreate:
        """The message with its content's length instead of its content, since the service refuses an empty one."""
        return evolve(self, content=f"({len(self.content)} characters)")


@frozen(kw_only=True, repr=False)
class FeedbackCreate(AlignEvent):
    """A rating of a session, or of one of its messages."""

    type: ClassVar[str] = "feedback_create"

    session_id: str = field(validator=_name)
    feedback_type: str = field(validator=_one_of(*FEEDBACK_TYPES))
    message_index: int | None = field(default=None, converter=whole_number, validator=_index)
