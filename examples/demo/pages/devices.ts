import type { Device } from "psession";
import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page, time } from "./layout.ts";

export function devicesPage(frame: Frame | undefined, devices: readonly Device[]): Html {
  const hasOthers = devices.some(({ current }) => !current);
  const body = html`<p>You are signed in on ${devices.length === 1 ? "this device only" : `${devices.length} devices`}.
To see more, sign in with another browser or a private window.</p>
<ul class="devices">${devices.map(deviceItem)}</ul>
${
  hasOthers
    ? html`<form method="post" action="/devices/revoke-others"><button class="danger">Sign out all others</button></form>`
    : undefined
}`;
  return page(frame, { title: "Devices", path: "/devices" }, body);
}

function deviceItem(device: Device): Html {
  const { handle, label, current, isRemembered, level, lastSeenAt, address, expiresAt } = device;
  return html`<li class="card device">
<div>
<h2>${label} ${current ? html`<span class="badge login">This device</span>` : undefined}</h2>
<dl>
<div><dt>Last seen</dt><dd>${time(lastSeenAt)}${address === undefined ? undefined : ` from ${address}`}</dd></div>
<div><dt>Signed in until</dt><dd>${time(expiresAt)}${isRemembered ? "" : ", or until the browser is closed"}</dd></div>
<div><dt>Level</dt><dd>${level}${isRemembered ? ", comes back by a remember cookie" : ""}</dd></div>
</dl>
</div>
<form method="post" action="/devices/${encodeURIComponent(handle)}/revoke">
<button class="quiet" aria-label="Sign out ${label}${current ? ", this device" : ""}">Sign out</button>
</form>
</li>`;
}
