import type { Device } from "psession";
import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page } from "./layout.ts";
import { time } from "./time.ts";

export function devicesPage(frame: Frame | undefined, devices: readonly Device[], now: number): Html {
  const hasOthers = devices.some(({ current }) => !current);
  const lead = html`You are signed in on ${devices.length === 1 ? "this device only" : `${devices.length} devices`}.
To see more, sign in with another browser or a private window.`;
  const body = html`<ul class="devices">${devices.map((device) => deviceItem(device, now))}</ul>
<div class="actions">
${
  hasOthers
    ? html`<form method="post" action="/devices/revoke-others"><button class="danger">Sign out all others</button></form>`
    : undefined
}
<form method="post" action="/devices/revoke-all"><button class="danger">Sign out everywhere</button></form>
</div>
<p class="hint">For scripts the same list is at <a href="/api/devices"><code>/api/devices</code></a>.</p>`;
  return page(frame, { title: "Devices", path: "/devices", lead }, body);
}

function deviceItem(device: Device, now: number): Html {
  const { handle, name, label, current, isRemembered, level, address, place } = device;
  const { firstSeenAt, lastSeenAt, expiresAt } = device;
  const path = `/devices/${encodeURIComponent(handle)}`;
  return html`<li class="card device">
<div class="device-head">
<h2>${name ?? label} ${current ? html`<span class="badge login">This device</span>` : undefined}</h2>
<form method="post" action="${path}/revoke">
<button class="quiet" aria-label="Sign out ${name ?? label}${current ? ", this device" : ""}">Sign out</button>
</form>
</div>
<dl>
${name === undefined ? undefined : html`<div><dt>Browser</dt><dd>${label}</dd></div>`}
<div><dt>First seen</dt><dd>${time(firstSeenAt, now)}</dd></div>
<div><dt>Last seen</dt><dd>${time(lastSeenAt, now)}</dd></div>
<div><dt>Place</dt><dd>${place ?? "Unknown"}${address === undefined ? undefined : `, ${address}`}</dd></div>
<div><dt>Level</dt><dd>${level}${isRemembered ? ", comes back by a remember cookie" : ""}</dd></div>
<div><dt>Signed out</dt><dd>${time(expiresAt, now)}${isRemembered ? "" : ", or when the browser is closed"}</dd></div>
</dl>
<form method="post" action="${path}/name" class="row">
<label for="name-${handle}">Name</label>
<input id="name-${handle}" name="name" maxlength="100" autocomplete="off" value="${name ?? ""}" placeholder="${label}">
<button class="quiet">Save</button>
</form>
</li>`;
}
