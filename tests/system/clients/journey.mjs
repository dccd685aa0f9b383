// The published npm client goes through a whole journey, unmodified.
//
//     node journey.mjs BASE_URL LOGIN PASSWORD DEVICE_ID
//
// BASE_URL ends with /3rdparty/v1. A phone must be connected and deliver what is sent. The client has neither lists nor
// cancelling nor tokens in this version: it is given a token through its own HTTP client, as its users do.

import assert from "node:assert/strict";
import Client, { LimitPeriod, WebHookEventType } from "android-sms-gateway";

const [baseUrl, login, password, deviceId] = process.argv.slice(2);
const PATIENCE = 60_000; // milliseconds for a phone to deliver a message
const passwordHeader = { Authorization: `Basic ${btoa(`${login}:${password}`)}` };

// An HTTP client as the package's documentation has it, which reads JSON from every answer with a body, with an
// optional token in place of the password.
function transport(token) {
  const call = async (method, url, headers, body) => {
    const authorization = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...authorization },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw Object.assign(new Error(await response.text()), { status: response.status });
    return response.status === 204 ? null : response.json();
  };
  return {
    get: (url, headers) => call("GET", url, headers),
    post: (url, body, headers) => call("POST", url, headers, body),
    put: (url, body, headers) => call("PUT", url, headers, body),
    patch: (url, body, headers) => call("PATCH", url, headers, body),
    delete: (url, headers) => call("DELETE", url, headers),
  };
}

const refused = (promise, status) => assert.rejects(promise, (error) => error.status === status);

async function sendAndRead(api, name) {
  const sent = await api.send({ phoneNumbers: ["+79990001234"], message: `hello from ${name}`, ttl: 3600, deviceId });
  assert.equal(sent.state, "Pending");
  const deadline = Date.now() + PATIENCE;
  let state;
  do {
    state = await api.getState(sent.id);
    assert.ok(Date.now() < deadline, JSON.stringify(state));
  } while (state.state !== "Delivered");
  assert.equal(state.recipients[0].state, "Delivered");
  const short = { phoneNumbers: ["1234567890"], message: "not a number of anybody" };
  await refused(api.send(short), 400);
  assert.equal((await api.send(short, { skipPhoneValidation: true })).state, "Pending");
}

async function devices(api) {
  const headers = { ...passwordHeader, "Content-Type": "application/json" };
  const mobile = baseUrl.replace("/3rdparty/v1", "/mobile/v1");
  const spare = await transport().post(`${mobile}/device`, { name: "Spare" }, headers);
  const ids = async () => (await api.getDevices()).map((device) => device.id);
  assert.deepEqual((await ids()).sort(), [deviceId, spare.id].sort());
  await api.deleteDevice(spare.id);
  assert.deepEqual(await ids(), [deviceId]);
}

async function webhooks(api) {
  const wanted = { id: "npm", url: "https://example.com/npm", event: WebHookEventType.SmsSent, deviceId };
  assert.deepEqual(await api.registerWebhook(wanted), wanted);
  const made = await api.registerWebhook({ url: "https://example.com/any", event: WebHookEventType.SystemPing });
  assert.equal((await api.getWebhooks()).length, 2);
  await api.deleteWebhook("npm");
  assert.deepEqual(await api.getWebhooks(), [made]);
  await api.deleteWebhook(made.id);
  assert.deepEqual(await api.getWebhooks(), []);
}

// This version's types are in camel case, which no server reads; what the server reads goes through as well.
async function settings(api) {
  await api.updateSettings({ messages: { limit_period: LimitPeriod.PerDay, limit_value: 5, limitValue: 7 } });
  assert.deepEqual(await api.getSettings(), { messages: { limit_period: "PerDay", limit_value: 5 } });
  await api.patchSettings({ ping: { interval_seconds: 30 } });
  assert.deepEqual(await api.getSettings(), {
    messages: { limit_period: "PerDay", limit_value: 5 },
    ping: { interval_seconds: 30 },
  });
}

async function inboxAndLogs(api) {
  await api.exportInbox({ deviceId, since: new Date(0), until: new Date() });
  await refused(api.getLogs(new Date(0), new Date()), 501);
  assert.equal((await api.getHealth()).status, "pass");
}

async function journey(api, name) {
  await sendAndRead(api, name);
  await devices(api);
  await webhooks(api);
  await settings(api);
  await inboxAndLogs(api);
  console.log(`${name}: ok`);
}

const basic = transport();
await journey(new Client(login, password, basic, baseUrl), "npm with Basic");

const headers = { ...passwordHeader, "Content-Type": "application/json" };
const scopes = [
  ...["messages:send", "messages:read", "messages:export", "devices:list", "devices:delete"],
  ...["webhooks:list", "webhooks:write", "webhooks:delete", "settings:read", "settings:write", "logs:read"],
];
const issued = await basic.post(`${baseUrl}/auth/token`, { scopes }, headers);
const bearer = new Client(login, password, transport(issued.access_token), baseUrl);
await journey(bearer, "npm with Bearer");

await basic.delete(`${baseUrl}/auth/token/${issued.id}`, headers);
await refused(bearer.getDevices(), 401);
console.log("npm after revocation: refused");
