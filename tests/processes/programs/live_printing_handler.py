"""Ends while a handler of live events prints line after line."""

import asyncio
import threading

from mindlytics import Client, MLEvent

stop = threading.Event()


async def handler(event: MLEvent) -> None:
    while True:
        print("x" * 100)
        stop.set()
        await asyncio.sleep(0)


client = Client()
session = client.create_session(on_event=handler)
session.track_event(event="Hello")
stop.wait(30)
