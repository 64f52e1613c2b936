"""A handler of live events that keeps their names."""

from mindlytics import MLEvent

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)
