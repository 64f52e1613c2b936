"""What timestamps are taken, and which texts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.errors import InvalidEvent
from mindlytics.values import check_timestamp, normalise_timestamp, parse_timestamp, valid_text


@given(st.text(st.characters()))
def test_valid_text_is_utf_8(text: str) -> None:
    assert len(valid_text(text).encode("utf-8").decode("utf-8")) <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-04-03T07:35:10.0000Z", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)),
        ("2025-04-03T07:35:10.123456789Z", datetime(2025, 4, 3, 7, 35, 10, 123456, tzinfo=timezone.utc)),
        ("2025-04-03 07:35+02:00", datetime(2025, 4, 3, 7, 35, tzinfo=timezone(timedelta(hours=2)))),
        ("2025-04-03T07:35:10-0530", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
        ("2025-04-03T07:35:10", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)),
    ],
)
def test_iso_8601_is_read(text: str, expected: datetime) -> None:
    assert expected == parse_timestamp(text)
    check_timestamp("timestamp", text)
    assert normalise_timestamp(text) == (
        text if text[-1] == "Z" or text[-6] in "+-" or text[-5] in "+-" else text + "Z"
    )


@pytest.mark.parametrize(
    "text", ["yesterday", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "", "2025-04-03", "1743665710"]
)
def test_an_invalid_time_is_misuse(text: str) -> None:
    with pytest.raises(InvalidEvent, match="timestamp must be an ISO 8601 date and time"):
        check_timestamp("timestamp", text)


def test_a_naive_datetime_is_refused_and_a_number_too() -> None:
    with pytest.raises(InvalidEvent, match="timestamp must be an aware datetime"):
        check_timestamp("timestamp", datetime(2025, 4, 3))
    with pytest.raises(InvalidEvent, match="got int"):
        check_timestamp("timestamp", 1743665710)
