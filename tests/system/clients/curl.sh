#!/usr/bin/env bash
# The calls of SMSGate's documentation (docs.sms-gate.app: authentication, sending, status tracking, webhooks, reading
# messages, settings), as its reader types them: only host and credentials are ours, and the paths have no /api.
#
#     curl.sh http://HOST:PORT LOGIN PASSWORD DEVICE_ID
#
# A phone must be connected and deliver what is sent. Prints one line per credential, and stops at the first surprise.
set -euo pipefail

api=$1/3rdparty/v1
login=$2:$3
device=$4
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
json='Content-Type: application/json'

# expect STATUS curl-argument…: one call, whose body goes to $answer.
expect() {
    local wanted=$1 status
    shift
    status=$(curl -sS -o "$answer" -w '%{http_code}' "$@")
    if [ "$status" != "$wanted" ]; then
        printf '%s instead of %s: curl %s\n%s\n' "$status" "$wanted" "$*" "$(cat "$answer")" >&2
        exit 1
    fi
}

# field NAME: the first value of that name in the answer.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$answer" | head -n 1; }

contains() {
    grep -qF -- "$1" "$answer" || { printf 'no %s in: %s\n' "$1" "$(cat "$answer")" >&2; exit 1; }
}

# Asks until the message that was just sent is delivered.
delivered() {
    local id deadline=$((SECONDS + 60))
    id=$(field id)
    until grep -q '"state":"Delivered","isHashed"' "$answer"; do
        ((SECONDS < deadline)) || { printf 'not delivered: %s\n' "$(cat "$answer")" >&2; exit 1; }
        expect 200 -X GET "$api/messages/$id" "${who[@]}"
    done
}

messages() {
    expect 202 -X POST "$api/messages?skipPhoneValidation=true" "${who[@]}" -H "$json" -d '{
        "textMessage": {"text": "Your verification code is 1234"},
        "phoneNumbers": ["+1234567890"],
        "ttl": 600,
        "priority": 100
      }'
    delivered
    expect 202 -X POST "$api/messages?skipPhoneValidation=true&deviceActiveWithin=12" "${who[@]}" -H "$json" -d '{
        "dataMessage": {"data": "SGVsbG8gRGF0YSBXb3JsZCE=", "port": 53739},
        "deviceId": "'"$device"'",
        "phoneNumbers": ["+1234567890"],
        "simNumber": 1
      }'
    delivered
    expect 202 -X POST "$api/message" "${who[@]}" -H "$json" -d '{"message": "Hello", "phoneNumbers": ["+79990001234"]}'
    delivered
    expect 409 -X DELETE "$api/messages/$(field id)" "${who[@]}"
    expect 404 -X DELETE "$api/messages/abc123def456" "${who[@]}"
    expect 200 "${who[@]}" "$api/messages?from=$(date -u -d '1 hour ago' +%Y-%m-%dT%H:%M:%SZ)&limit=10&state=Delivered"
    contains '"state":"Delivered"'
    expect 200 "${who[@]}" "$api/devices"
    contains "\"id\":\"$device\""
}

webhooks() {
    expect 201 -X POST "${who[@]}" -H "$json" \
        -d '{ "url": "https://your-server.com/webhook", "event": "sms:received" }' "$api/webhooks"
    local any
    any=$(field id)
    expect 201 -X POST "${who[@]}" -H "$json" -d '{
        "id": "<unique-id>",
        "url": "https://your-server.com/webhook",
        "event": "sms:sent",
        "deviceId": "'"$device"'"
      }' "$api/webhooks"
    expect 200 -X GET "${who[@]}" "$api/webhooks"
    contains "\"id\":\"$any\""
    contains '"id":"\u003cunique-id\u003e"'
    expect 204 -X DELETE "${who[@]}" "$api/webhooks/$any"
    expect 204 -X DELETE "${who[@]}" "$api/webhooks/%3Cunique-id%3E"
    expect 200 -X GET "${who[@]}" "$api/webhooks"
    [ "$(cat "$answer")" = '[]' ] || { printf 'webhooks are left: %s\n' "$(cat "$answer")" >&2; exit 1; }
}

settings() {
    expect 200 -X PUT "${who[@]}" -H "$json" -d '{
        "messages": { "limit_period": "Disabled", "limit_value": null, "sim_selection_mode": "OSDefault" },
        "webhooks": { "internet_required": true, "retry_count": 1 }
      }' "$api/settings"
    expect 200 -X PATCH "${who[@]}" -H "$json" -d '{ "webhooks": { "retry_count": 2 } }' "$api/settings"
    expect 200 "${who[@]}" "$api/settings"
    contains '"internet_required":true'
    contains '"retry_count":2'
}

inbox() {
    expect 202 "${who[@]}" -H "$json" \
        -d '{ "deviceId": "'"$device"'", "since": "2024-01-01T00:00:00Z", "until": "2024-12-31T23:59:59Z" }' \
        "$api/messages/inbox/export"
    local mode
    for mode in Individual Batch Disabled; do
        expect 202 -X POST "${who[@]}" -H "$json" -d '{
            "since": "2024-06-01T00:00:00Z",
            "until": "2024-06-30T23:59:59Z",
            "webhookDelivery": "'$mode'"
          }' "$api/inbox/refresh"
    done
    expect 501 "${who[@]}" "$api/inbox?type=SMS&limit=10&offset=0"
}

everything() {
    messages
    webhooks
    settings
    inbox
}

who=(-u "$login")
everything
expect 200 "$api/health"
echo "curl with Basic: ok"

expect 201 -X POST "$api/auth/token" -u "$login" -H "$json" -d '{
    "ttl": 3600,
    "scopes": [
      "messages:send", "messages:read", "messages:list", "messages:cancel", "messages:export", "devices:list",
      "webhooks:list", "webhooks:write", "webhooks:delete", "settings:read", "settings:write",
      "inbox:list", "inbox:read", "inbox:refresh", "tokens:manage"
    ]
  }'
who=(-H "Authorization: Bearer $(field access_token)")
refresh=$(field refresh_token)
everything
expect 403 "${who[@]}" "$api/logs"
expect 201 -X POST "$api/auth/token/refresh" -H "Authorization: Bearer $refresh"
who=(-H "Authorization: Bearer $(field access_token)")
id=$(field id)
expect 200 "${who[@]}" "$api/devices"
echo "curl with Bearer: ok"

expect 204 -X DELETE "$api/auth/token/$id" "${who[@]}"
expect 401 "${who[@]}" "$api/devices"
echo "curl after revocation: refused"
