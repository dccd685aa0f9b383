"""The published Python client goes through a whole journey, unmodified.

    journey.py BASE_URL LOGIN PASSWORD DEVICE_ID

BASE_URL ends with /3rdparty/v1. A phone must be connected and deliver what is sent. Prints one line per client
and ends with a traceback at the first surprise.
"""

import asyncio
import sys
import time

import aiohttp  # noqa: F401  (one of the transports under test)
from android_sms_gateway import ahttp, client, domain, enums, errors, http

PATIENCE = 60  # seconds for a phone to deliver a message
SCOPES = ["messages:send", "messages:read", "messages:list", "devices:list", "tokens:manage"]


def message(text):
    return domain.Message(phone_numbers=["+79990001234"], text_message=domain.TextMessage(text=text))


async def settled(value):
    """The async client returns coroutines, the sync one values: the journey is the same."""
    return await value if asyncio.iscoroutine(value) else value


async def delivered(api, message_id):
    deadline = time.monotonic() + PATIENCE
    while True:
        state = await settled(api.get_state(message_id))
        if state.state == enums.ProcessState.Delivered:
            return state
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.02)


async def refused(call, kind):
    try:
        await settled(call())
    except kind:
        return
    raise AssertionError(f"{kind.__name__} expected")


async def refreshed(api, refresh_token):
    if not isinstance(api, client.AsyncAPIClient):
        return api.refresh_token(refresh_token)
    # The async client of this version forgets an argument of its own transport and cannot refresh anywhere.
    headers = {**api.headers, "Authorization": f"Bearer {refresh_token}"}
    answer = await api.http.post(f"{api.base_url}/auth/token/refresh", payload={}, headers=headers)
    return domain.TokenResponse.from_dict(answer)


async def send_and_read(api, name, device_id):
    sent = await settled(api.send(message(f"hello from {name}")))
    assert sent.state == enums.ProcessState.Pending, sent
    state = await delivered(api, sent.id)
    assert [r.state for r in state.recipients] == [enums.ProcessState.Delivered], state
    listed = await settled(api.get_messages(pagination=domain.QueryPagination(limit=100)))
    assert sent.id in [m.id for m in listed], listed
    devices = await settled(api.list_devices())
    assert device_id in [d.id for d in devices], devices


async def journey(name, connect, login, password, device_id):
    async with connect(login, password) as api:
        await send_and_read(api, f"{name} with Basic", device_id)
        assert (await settled(api.health_check())).status.value == "pass"
        issued = await settled(api.generate_token(domain.TokenRequest(scopes=SCOPES, ttl=600)))
        assert issued.token_type == "Bearer", issued
    async with connect(None, issued.access_token) as api:
        await send_and_read(api, f"{name} with Bearer", device_id)
        await refused(lambda: api.get_settings(), errors.ForbiddenError)
    async with connect(None, issued.refresh_token) as api:
        fresh = await refreshed(api, issued.refresh_token)
    async with connect(None, fresh.access_token) as api:
        await send_and_read(api, f"{name} with the refreshed token", device_id)
        await settled(api.revoke_token(fresh.id))
        await refused(lambda: api.list_devices(), errors.UnauthorizedError)
    print(f"{name}: ok", flush=True)


class Sync:
    """A sync client behind the async face of the journey."""

    def __init__(self, api):
        self.api = api

    async def __aenter__(self):
        return self.api.__enter__()

    async def __aexit__(self, *details):
        self.api.__exit__(*details)


async def main(base_url, login, password, device_id):
    def sync(transport):
        # The transport opens its session when it is entered, so that it is entered exactly once.
        return lambda user, secret: Sync(Entered(client.APIClient, transport, user, secret, base_url))

    def asynchronous(transport):
        return lambda user, secret: AsyncEntered(client.AsyncAPIClient, transport, user, secret, base_url)

    clients = {
        "requests": sync(http.RequestsHttpClient),
        "httpx": sync(http.HttpxHttpClient),
        "aiohttp": asynchronous(ahttp.AiohttpAsyncHttpClient),
        "httpx async": asynchronous(ahttp.HttpxAsyncHttpClient),
    }
    for name, connect in clients.items():
        await journey(name, connect, login, password, device_id)


class Entered:
    def __init__(self, kind, transport, login, password, base_url):
        self.transport = transport()
        self.api = kind(login, password, base_url=base_url, http=self.transport)

    def __enter__(self):
        self.transport.__enter__()
        return self.api.__enter__()

    def __exit__(self, *details):
        self.api.__exit__(*details)
        self.transport.__exit__(*details)


class AsyncEntered:
    def __init__(self, kind, transport, login, password, base_url):
        self.transport = transport()
        self.api = kind(login, password, base_url=base_url, http_client=self.transport)

    async def __aenter__(self):
        await self.transport.__aenter__()
        return await self.api.__aenter__()

    async def __aexit__(self, *details):
        await self.api.__aexit__(*details)
        await self.transport.__aexit__(*details)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
