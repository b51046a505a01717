"""Whether a web server answers yet."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tasks.supervisor.options import Address, join_address

#: Seconds to wait for one answer; the first page of a cold process takes a while.
ANSWER_TIMEOUT = 10.0

#: Seconds between two questions, while nothing answers and after an error of the server:
#: each of those writes a traceback.
INTERVAL, ERROR_INTERVAL = 0.1, 5.0


async def wait_for_page(address: Address) -> None:
    """Return once the server at `address` answers without an error of its own."""
    status = await ask_for_page(address)
    while status is None or status >= 500:
        await asyncio.sleep(INTERVAL if status is None else ERROR_INTERVAL)
        status = await ask_for_page(address)


async def ask_for_page(address: Address) -> int | None:
    """Ask for / once; return the status of the answer, None for none."""
    with suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await _status(address)
    return None


async def _status(address: Address) -> int:
    reader, writer = await asyncio.open_connection(*address)
    try:
        request = f"GET / HTTP/1.1\r\nHost: {join_address(*address)}\r\n"
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
