import type { Device } from "psession";
import type { DevicesPage } from "psession/express";
import { type Html, html, trusted } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page } from "./layout.ts";
import { date, time } from "./time.ts";

export function devicesPage(frame: Frame | undefined, devices: readonly Device[], now: number): Html {
  const hasOthers = devices.some(({ current }) => !current);
  const { length: count } = devices.filter(({ level }) => level !== "anonymous");
  const lead = html`You are signed in on ${count === 1 ? "this device only" : `${count} devices`}.
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
<p class="hint">The same as <a href="/account/devices">the page that comes with psession</a>, and for scripts at <a href="/api/devices"><code>/api/devices</code></a>.</p>`;
  return page(frame, { title: "Devices", path: "/devices", lead }, body);
}

/** The page that comes with psession, in the demo's frame. */
export function readyDevicesPage(frame: Frame | undefined, { title, content }: DevicesPage): Html {
  return page(frame, { title, heading: false, path: "/devices" }, trusted(content));
}

function deviceItem(device: Device, now: number): Html {
  const { handle, name, label, current, isRemembered, level, address, place } = device;
  const { firstSeenAt, lastSeenAt, expiresAt, trustedUntil, boundSince } = device;
  // Otherwise a browser on which nobody is signed in, and which is not asked for codes.
  const isSignedIn = level !== "anonymous";
  const path = `/devices/${encodeURIComponent(handle)}`;
  return html`<li class="card device">
<div class="device-head">
<h2>${name ?? label} ${current ? html`<span class="badge login">This device</span>` : undefined}</h2>
<form method="post" action="${path}/revoke">
<button class="quiet" aria-label="${isSignedIn ? "Sign out" : "Forget"} ${name ?? label}${current ? ", this device" : ""}">${isSignedIn ? "Sign out" : "Forget"}</button>
</form>
</div>
<dl>
${name === undefined ? undefined : html`<div><dt>Browser</dt><dd>${label}</dd></div>`}
<div><dt>First seen</dt><dd>${time(firstSeenAt, now)}</dd></div>
<div><dt>Last seen</dt><dd>${time(lastSeenAt, now)}</dd></div>
<div><dt>Place</dt><dd>${place ?? "Unknown"}${address === undefined ? undefined : `, ${address}`}</dd></div>
${trustedUntil === undefined ? undefined : html`<div><dt>Trusted until</dt><dd>${date(trustedUntil)}: no code is asked for</dd></div>`}
${boundSince === undefined ? undefined : html`<div><dt>Bound</dt><dd>To a key in this browser, since ${date(boundSince)}: copies of its cookies open nothing</dd></div>`}
<div><dt>Level</dt><dd>${isSignedIn ? level : "not signed in"}${isRemembered ? ", comes back by a remember cookie" : ""}</dd></div>
${isSignedIn && html`<div><dt>Signed out</dt><dd>${time(expiresAt, now)}${isRemembered ? "" : ", or when the browser is closed"}</dd></div>`}
</dl>
${isSignedIn && nameForm(path, device)}
</li>`;
}

function nameForm(path: string, { handle, name, label }: Device): Html {
  return html`<form method="post" action="${path}/name" class="row">
<label for="name-${handle}">Name</label>
<input id="name-${handle}" name="name" maxlength="100" autocomplete="off" value="${name ?? ""}" placeholder="${label}">
<button class="quiet">Save</button>
</form>`;
}
