const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

class Html {
  constructor(text) {
    this.text = text;
  }
}

/** Escapes every value, except markup that it made itself. */
function html(parts, ...values) {
  return new Html(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
}

function shown(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(shown).join("");
  return String(value ?? "").replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

const page = (title, content) =>
  html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
${content}
</html>
`.text;

const note = (text) => text && html`<p role="status">${text}</p>`;
const hidden = (name, value) => html`<input type="hidden" name="${name}" value="${value}">`;
const button = (action, label, fields = "") =>
  html`<form method="post" action="${action}">${fields}<button>${label}</button></form>`;
const password = (label, autocomplete) =>
  html`<p><label>${label} <input name="password" type="password" autocomplete="${autocomplete}" required></label>`;
const email = html`<p><label>Email <input name="email" type="email" autocomplete="username" required></label>`;

export const homePage = ({ user, cart, message }) =>
  page(
    "Acme Shop",
    html`${note(message)}
<ul>${cart.map((item) => html`<li>${item}</li>`)}</ul>
<form method="post" action="/cart"><input name="item" aria-label="Item" required><button>Add to cart</button></form>
${
  user === undefined
    ? html`<p><a href="/login">Sign in</a> or <a href="/register">register</a>`
    : html`<p>Signed in as ${user.email}. <a href="/devices">Devices</a> <a href="/password">Password</a>
${button("/logout", "Sign out")}`
}`,
  );

export const loginPage = ({ next, problem }) =>
  page(
    "Sign in",
    html`${note(problem)}
<form method="post" action="/login">
${hidden("next", next)}
${email}
${password("Password", "current-password")}
<p><label><input name="remember" type="checkbox"> Remember me on this device</label>
<p><button>Sign in</button>
</form>
<p><a href="/forgot">Forgot your password?</a>`,
  );

export const confirmPage = ({ next, problem }) =>
  page(
    "Please confirm that it is you",
    html`${note(problem)}
<form method="post" action="/confirm">
${hidden("next", next)}
${password("Password", "current-password")}
<p><button>Confirm</button>
</form>`,
  );

export const askForLinkPage = ({ title, problem }) =>
  page(
    title,
    html`${note(problem)}
<form method="post" action="/link">
${email}
<p><button>Mail me a link</button>
</form>`,
  );

export const linkSentPage = () => page("Look into your mail", html`<p>We have sent you a link.`);

export const choosePasswordPage = ({ token, problem }) =>
  page(
    "Choose your password",
    html`${note(problem)}
<form method="post" action="/choose-password">
${hidden("token", token)}
${password("New password", "new-password")}
<p><button>Save</button>
</form>`,
  );

export const changePasswordPage = ({ problem }) =>
  page(
    "Change your password",
    html`${note(problem)}
<form method="post" action="/password">
${password("New password", "new-password")}
<p><button>Save</button>
</form>`,
  );

export const devicesPage = (devices) =>
  page(
    "Where you are signed in",
    html`<ul>${devices.map(
      ({ handle, label, address, lastSeenAt, current }) => html`
<li>${label}, ${address}, last seen ${new Date(lastSeenAt).toUTCString()}
${current ? "(this device)" : button("/devices/end", "Sign out", hidden("handle", handle))}`,
    )}
</ul>
${button("/devices/end-others", "Sign out all other devices")}
<p><a href="/">Back</a>`,
  );

const PROBLEMS = {
  400: "That request could not be understood, or its link has been used or is too old.",
  404: "There is no such page.",
  429: "Too many tries. Please wait a quarter of an hour.",
  503: "We cannot reach our database. You are still signed in: please try again in a moment.",
};

export const problemPage = (status) =>
  page("That did not work", html`<p>${PROBLEMS[status] ?? "Something went wrong. Please try again."}`);
