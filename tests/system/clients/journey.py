"""The published Python client goes through a whole journey, unmodified.

    journey.py BASE_URL LOGIN PASSWORD DEVICE_ID

BASE_URL ends with /3rdparty/v1. A phone must be connected and deliver what is sent. Prints one line per client
and ends with a traceback at the first surprise.
"""

import asyncio
import base64
import datetime
import json
import sys
import time
import urllib.request

from android_sms_gateway import client, domain, encryption, enums, errors
from transports import ALL, settled

PATIENCE = 60  # seconds for a phone to deliver a message
NUMBER = "+79990001234"
SCOPES = [
    *("messages:send", "messages:read", "messages:list", "messages:cancel", "messages:export"),
    *("devices:list", "devices:delete", "webhooks:list", "webhooks:write", "webhooks:delete"),
    *("settings:read", "settings:write", "inbox:list", "inbox:refresh", "logs:read", "tokens:manage"),
]


async def refused(value, kind, status):
    """`value` is a call not made yet, because the sync client raises where the async one returns a coroutine."""
    try:
        await settled(value())
    except kind as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"{kind.__name__} expected")


def text(words, **options):
    return domain.Message(phone_numbers=[NUMBER], text_message=domain.TextMessage(text=words), **options)


async def delivered(api, message_id):
    deadline = time.monotonic() + PATIENCE
    while True:
        state = await settled(api.get_state(message_id))
        if state.state == enums.ProcessState.Delivered:
            return state
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.02)


async def send_and_read(api, words, device_id):
    sent = await settled(api.send(text(words, device_id=device_id, priority=100, ttl=3600, sim_number=1)))
    assert sent.state == enums.ProcessState.Pending and sent.created_at is not None, sent
    state = await delivered(api, sent.id)
    assert [(r.phone_number, r.state) for r in state.recipients] == [(NUMBER, enums.ProcessState.Delivered)], state
    assert set(state.states) == {"Pending", "Processed", "Sent", "Delivered"}, state

    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    query = domain.MessagesQueryFilter(from_=now - hour, to=now + hour, state="Delivered", device_id=device_id)
    page = domain.QueryPagination(limit=100, offset=0)
    listed = await settled(api.get_messages(query=query, pagination=page, sort="-created_at"))
    assert listed[0].id == sent.id, listed
    await refused(lambda: api.get_state("no-such-message"), errors.NotFoundError, 404)

    data = domain.DataMessage.with_bytes(b"\x00\x01\x02", port=53739)
    until = now + hour
    sent = await settled(
        api.send(
            domain.Message(phone_numbers=["1234567890"], data_message=data, device_id=device_id, valid_until=until),
            skip_phone_validation=True,
            device_active_within=12,
        )
    )
    await delivered(api, sent.id)
    mms = domain.Message(phone_numbers=[NUMBER], mms_message=domain.MmsMessage(text="not yet"))
    await refused(lambda: api.send(mms), errors.BadRequestError, 400)


def spare_device(base_url, login, password):
    """A device that never pulls, so that what is sent to it stays pending."""
    request = urllib.request.Request(
        base_url.replace("/3rdparty/v1", "/mobile/v1/device"),
        data=b'{"name": "Spare"}',
        headers={
            "Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode(),
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id"]


async def cancel_and_remove(api, spare):
    sent = await settled(api.send(text("never sent", device_id=spare)))
    await settled(api.cancel_message(sent.id))
    state = await settled(api.get_state(sent.id))
    assert state.state == enums.ProcessState.Cancelling, state
    assert spare in [device.id for device in await settled(api.list_devices())]
    await settled(api.remove_device(spare))
    assert spare not in [device.id for device in await settled(api.list_devices())]


async def webhooks(api, device_id):
    wanted = [
        domain.Webhook(None, "https://example.com/any", enums.WebhookEvent.SMS_RECEIVED),
        domain.Webhook("named", "https://example.com/one", enums.WebhookEvent.SMS_FAILED, device_id),
    ]
    made = [await settled(api.create_webhook(webhook)) for webhook in wanted]
    assert made[0].id and made[1] == wanted[1], made
    listed = await settled(api.get_webhooks())
    assert sorted(listed, key=lambda w: w.url) == made, listed
    for webhook in made:
        await settled(api.delete_webhook(webhook.id))
    assert await settled(api.get_webhooks()) == []


async def settings(api):
    limits = domain.SettingsMessages(limit_period=enums.LimitPeriod.PER_HOUR, limit_value=10)
    ping = domain.SettingsPing(interval_seconds=60)
    await settled(api.update_settings(domain.DeviceSettings(messages=limits, ping=ping)))
    await settled(api.patch_settings(domain.DeviceSettings(messages=domain.SettingsMessages(limit_value=20))))
    merged = await settled(api.get_settings())
    assert merged.messages == domain.SettingsMessages(limit_period=enums.LimitPeriod.PER_HOUR, limit_value=20), merged
    assert merged.ping == ping, merged
    replaced = domain.DeviceSettings(webhooks=domain.SettingsWebhooks(retry_count=3))
    await settled(api.update_settings(replaced))
    assert await settled(api.get_settings()) == replaced
    bad = domain.DeviceSettings(messages=domain.SettingsMessages(limit_value=0))
    await refused(lambda: api.patch_settings(bad), errors.BadRequestError, 400)


async def inbox(api, device_id):
    until = datetime.datetime.now(datetime.timezone.utc)
    since = until - datetime.timedelta(days=1)
    refresh = domain.InboxRefreshRequest(
        since=since,
        until=until,
        message_types=["SMS", "MMS"],
        webhook_delivery=enums.WebhookDelivery.BATCH,
    )
    assert await settled(api.refresh_inbox(refresh)) == {}
    assert await settled(api.export_inbox(domain.MessagesExportRequest(device_id, since, until))) == {}
    await refused(api.list_inbox_messages, errors.APIError, 501)
    await refused(api.get_logs, errors.APIError, 501)


async def health(api):
    for check in (api.health_check, api.readiness_check, api.startup_check):
        answer = await settled(check())
        assert answer.status == enums.HealthStatus.PASS, answer
    # A busy debug build may take more memory than what the reference warns about.
    assert (await settled(api.liveness_check())).status != enums.HealthStatus.FAIL


async def everything(api, name, device_id, spare):
    await send_and_read(api, f"hello from {name}", device_id)
    await cancel_and_remove(api, spare)
    await webhooks(api, device_id)
    await settings(api)
    await inbox(api, device_id)
    await health(api)


async def refreshed(api, refresh_token):
    if not isinstance(api, client.AsyncAPIClient):
        return api.refresh_token(refresh_token)
    # The async client of this version forgets an argument of its own transport and cannot refresh anywhere.
    headers = {**api.headers, "Authorization": f"Bearer {refresh_token}"}
    answer = await api.http.post(f"{api.base_url}/auth/token/refresh", payload={}, headers=headers)
    return domain.TokenResponse.from_dict(answer)


async def journey(name, connect, base_url, login, password, device_id):
    options = {"base_url": base_url}
    async with connect(login, password, **options) as api:
        await everything(api, f"{name} with Basic", device_id, spare_device(base_url, login, password))
        issued = await settled(api.generate_token(domain.TokenRequest(scopes=SCOPES, ttl=600)))
        assert issued.token_type == "Bearer", issued
        narrow = await settled(api.generate_token(domain.TokenRequest(scopes=["devices:list"])))
    async with connect(None, issued.access_token, **options) as api:
        await everything(api, f"{name} with Bearer", device_id, spare_device(base_url, login, password))
    async with connect(None, narrow.access_token, **options) as api:
        await settled(api.list_devices())
        await refused(api.get_settings, errors.ForbiddenError, 403)
    async with connect(None, issued.refresh_token, **options) as api:
        fresh = await refreshed(api, issued.refresh_token)
    async with connect(None, fresh.access_token, **options) as api:
        await settled(api.list_devices())
        await settled(api.revoke_token(fresh.id))
        await refused(api.list_devices, errors.UnauthorizedError, 401)
    print(f"{name}: ok", flush=True)


async def encrypted(name, connect, base_url, login, password):
    encryptor = encryption.Encryptor("correct horse battery staple")
    async with connect(login, password, base_url=base_url, encryptor=encryptor) as api:
        sent = await settled(api.send(text("secret")))
        assert [r.phone_number for r in sent.recipients] == [NUMBER], sent
        state = await delivered(api, sent.id)
        assert [(r.phone_number, r.state) for r in state.recipients] == [(NUMBER, enums.ProcessState.Delivered)], state
    print(f"{name}, encrypted: ok", flush=True)


async def main(base_url, login, password, device_id):
    for name, connect in ALL.items():
        await journey(name, connect, base_url, login, password, device_id)
    # Last, because this client cannot list a message that it has no passphrase for.
    for name, connect in ALL.items():
        await encrypted(name, connect, base_url, login, password)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
