// The published npm client goes through a whole journey, unmodified.
//
//     node journey.mjs BASE_URL LOGIN PASSWORD DEVICE_ID
//
// BASE_URL ends with /3rdparty/v1. A phone must be connected and deliver what is sent. The client has no tokens in
// this version: it is given a token through its own HTTP client, as its users do.

import assert from "node:assert/strict";
import Client from "android-sms-gateway";

const [baseUrl, login, password, deviceId] = process.argv.slice(2);
const PATIENCE = 60_000; // milliseconds for a phone to deliver a message

// The HTTP client from the package's own documentation, with an optional token in place of the password.
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

async function sendAndRead(api, name) {
  const sent = await api.send({ phoneNumbers: ["+79990001234"], message: `hello from ${name}` });
  assert.equal(sent.state, "Pending");
  const deadline = Date.now() + PATIENCE;
  let state;
  do {
    state = await api.getState(sent.id);
    assert.ok(Date.now() < deadline, JSON.stringify(state));
  } while (state.state !== "Delivered");
  const devices = await api.getDevices();
  assert.ok(devices.some((device) => device.id === deviceId));
  console.log(`${name}: ok`);
}

const basic = transport();
const api = new Client(login, password, basic, baseUrl);
await sendAndRead(api, "npm with Basic");
assert.equal((await api.getHealth()).status, "pass");

const headers = { "Content-Type": "application/json", Authorization: `Basic ${btoa(`${login}:${password}`)}` };
const scopes = ["messages:send", "messages:read", "devices:list"];
const issued = await basic.post(`${baseUrl}/auth/token`, { scopes }, headers);
const bearer = new Client(login, password, transport(issued.access_token), baseUrl);
await sendAndRead(bearer, "npm with Bearer");

await basic.delete(`${baseUrl}/auth/token/${issued.id}`, headers);
await assert.rejects(bearer.getDevices(), (error) => error.status === 401);
console.log("npm after revocation: refused");
