"""Which transports does the published Python client offer? Each behind one async face, so that there is one journey.

A transport opens its session when it is entered, so that `connect` makes a new one for every client.
"""

import asyncio
import contextlib

import aiohttp  # noqa: F401  (one of the transports under test)
from android_sms_gateway import ahttp, client, http


async def settled(value):
    """The async client returns coroutines, the sync one values."""
    return await value if asyncio.iscoroutine(value) else value


def sync(transport):
    @contextlib.asynccontextmanager
    async def connect(login, secret, **options):
        with transport() as session, client.APIClient(login, secret, http=session, **options) as api:
            yield api

    return connect


def asynchronous(transport):
    @contextlib.asynccontextmanager
    async def connect(login, secret, **options):
        async with transport() as session:
            async with client.AsyncAPIClient(login, secret, http_client=session, **options) as api:
                yield api

    return connect


ALL = {
    "requests": sync(http.RequestsHttpClient),
    "httpx": sync(http.HttpxHttpClient),
    "aiohttp": asynchronous(ahttp.AiohttpAsyncHttpClient),
    "httpx async": asynchronous(ahttp.HttpxAsyncHttpClient),
}
