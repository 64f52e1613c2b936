"""Makes one direct request, within half a second."""

import asyncio

from mindlytics import AsyncHTTPClient


async def main() -> None:
    await AsyncHTTPClient(request_timeout=0.5).send_request(method="GET", url="/x")


asyncio.run(main())
