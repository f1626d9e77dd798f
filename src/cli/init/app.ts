import type { UserIdKind } from "../../stores/store.ts";
import type { Typed } from "./frameworks/framework.ts";
import { FRAMEWORKS } from "./frameworks/index.ts";
import type { Choices } from "./stores.ts";

/** The one user, until the application has users of its own. */
export const DEMO_USER = { email: "ada@example.com", password: "only for trying it out" } as const;

interface Chosen extends Omit<Choices, "store"> {
  /** What the application's file is called. */
  readonly file: string;
  /** How it imports the configuration. */
  readonly config: string;
}

/** A whole application: sign-in with the tick, data, a page for the fresh, devices, sign-out. */
export function applicationFor({ framework, file, config, userIds, typescript }: Chosen): string {
  const t: Typed = (type) => (typescript ? type : "");
  const { imports, routes, readsForms } = FRAMEWORKS[framework] ?? unknown(framework);
  const parts = [
    `${imports(t).join("\n")}\nimport config from ${JSON.stringify(config)};`,
    users(t, file, userIds),
    SERVICE,
    routes(t),
    ...(readsForms ? [] : [form(t)]),
    places(t),
    pages(t),
    ...(typescript ? [DATA] : []),
  ];
  return `${parts.map((part) => part.trim()).join("\n\n")}\n`;
}

const SERVICE = `
const psession = createPsession(config);
// A token that had been replaced came back: a cookie was copied. psession has ended the login.
psession.on("theft", ({ userId, request }) => console.warn("stolen cookie", userId, request.address));
`;

function unknown(framework: string): never {
  throw new Error(`There is no template for ${framework}.`);
}

const ID_OF_DEMO_USER: Readonly<Record<UserIdKind, string>> = {
  any: "1",
  integer: "1",
  text: '"ada"',
  uuid: '"7d3a1f0e-5b7c-4c55-9a39-0f6c1b8e2d41"',
};

const users = (t: Typed, file: string, userIds: UserIdKind = "any") => `
// REPLACE THIS by users of your own: from your database, with hashed passwords, and with a limit on attempts.
if (process.env.NODE_ENV === "production") throw new Error(${JSON.stringify(`${file}: replace the demo user first.`)});

const demoUser = {
  id: ${ID_OF_DEMO_USER[userIds]},
  email: "${DEMO_USER.email}",
  password: "${DEMO_USER.password}",
};

/** The user with this email and password, or undefined. */
async function findUser(email${t(": unknown")}, password${t(": unknown")}) {
  return email === demoUser.email && password === demoUser.password ? demoUser : undefined;
}

/** Whether this is the password of a user who is signed in. */
async function isPasswordOf(userId${t(": UserId | undefined")}, password${t(": unknown")}) {
  return userId === demoUser.id && password === demoUser.password;
}
// UNTIL HERE
`;

const places = (t: Typed) => `
/** The address of a form, which comes back to \`path\`. */
function withNext(page${t(": string")}, path${t(": string")}) {
  return \`\${page}?next=\${encodeURIComponent(path)}\`;
}

/** Where a form leads to: a path of this site only, as what a browser sends may be "//evil.example". */
function pathIn(next${t(": unknown")}) {
  return typeof next === "string" && /^\\/(?![/\\\\])[!-~]*$/.test(next) ? next : "/";
}
`;

const form = (t: Typed) => `
/** The fields of a form that was posted. */
async function formOf(request${t(": IncomingMessage")})${t(": Promise<Record<string, string>>")} {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 65_536) throw new Error("This form is too large.");
  }
  return Object.fromEntries(new URLSearchParams(text));
}
`;

/** Nothing of a visitor's gets into a page unescaped. */
const pages = (t: Typed) => `
function escapeHtml(text${t(": unknown")}) {
  return String(text).replace(/[&<>"']/g, (character) => \`&#\${character.charCodeAt(0)};\`);
}

function page(title${t(": string")}, body${t(": string")}) {
  return \`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>\${title}</title>
<style>
  :root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
  body { max-width: 36rem; margin: 2rem auto; padding: 0 1rem }
  input:not([type=checkbox]), button { font: inherit; padding: 0.3rem 0.6rem }
  .error { font-weight: bold }
</style>
<h1>\${title}</h1>
\${body}
<p><a href="/">Home</a> · <a href="/devices">Devices</a> · <a href="/billing">Billing</a></p>\`;
}

function homePage({ isSignedIn, level, userId, data }${t(": Session")}) {
  const items = (data.cart ?? []).map((item) => \`<li>\${escapeHtml(item)}</li>\`);
  return page(
    "Home",
    \`<p>\${isSignedIn ? \`Signed in as user \${escapeHtml(userId)}\` : "Not signed in"}. Level: <b id="level">\${level}</b></p>
\${isSignedIn ? button("/sign-out", "Sign out") : '<p><a href="/sign-in">Sign in</a></p>'}
<h2>Cart</h2>
<ul id="cart">\${items.join("")}</ul>
<form method="post" action="/cart">
  <label>Item <input name="item" maxlength="100" required></label>
  <button>Add</button>
</form>\`,
  );
}

function signInPage(next${t(": unknown")}, error = "") {
  return page(
    "Sign in",
    \`<form method="post" action="/sign-in">
  \${hiddenNext(next)}<p class="error">\${error}</p>
  <p><label>Email<br><input name="email" type="email" autocomplete="username" required></label></p>
  <p><label>Password<br><input name="password" type="password" autocomplete="current-password" required></label></p>
  <p><label><input name="remember" type="checkbox"> Remember me on this device</label></p>
  <button>Sign in</button>
</form>\`,
  );
}

function confirmPage(next${t(": unknown")}, error = "") {
  return page(
    "Please confirm your password",
    \`<form method="post" action="/confirm">
  \${hiddenNext(next)}<p class="error">\${error}</p>
  <p><label>Password<br><input name="password" type="password" autocomplete="current-password" required></label></p>
  <button>Confirm</button>
</form>\`,
  );
}

function billingPage() {
  return page("Billing", "<p>You see this because you entered your password within the last ten minutes.</p>");
}

function devicesPage(devices${t(": Device[]")}) {
  const items = devices.map(({ handle, label, isRemembered, lastSeenAt, current }) => {
    const seen = new Date(lastSeenAt).toISOString().slice(0, 16).replace("T", " ");
    const end = current ? "<p><b>This device</b></p>" : button("/devices/end", "End", { handle });
    return \`<li>\${escapeHtml(label)}\${isRemembered ? ", remembered" : ""}, last seen \${seen} UTC \${end}</li>\`;
  });
  return page("Devices", \`<ul id="devices">\${items.join("")}</ul>\${button("/devices/end-others", "End all others")}\`);
}

function hiddenNext(next${t(": unknown")}) {
  return \`<input type="hidden" name="next" value="\${escapeHtml(pathIn(next))}">\`;
}

/** A form of one button. */
function button(action${t(": string")}, text${t(": string")}, fields${t(": Record<string, string>")} = {}) {
  const inputs = Object.entries(fields).map(
    ([name, value]) => \`<input type="hidden" name="\${name}" value="\${escapeHtml(value)}">\`,
  );
  return \`<form method="post" action="\${action}">\${inputs.join("")}<button>\${text}</button></form>\`;
}
`;

const DATA = `
declare module "psession" {
  interface SessionData {
    cart: string[];
  }
}
`;
