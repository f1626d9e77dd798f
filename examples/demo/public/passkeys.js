/** The buttons that make and use passkeys. */
import { startAuthentication, startRegistration } from "/assets/webauthn/index.js";

/** What browsers mean by their errors. */
const MEANINGS = {
  NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none for this site.",
  InvalidStateError: "There is a passkey of yours on this device already.",
  SecurityError: "Passkeys of this demo work at http://localhost only. Please open it there.",
};

// Until now a click would have done nothing, so the page has them disabled.
for (const button of document.querySelectorAll("[data-passkey]")) {
  button.addEventListener("click", run);
  button.disabled = false;
}

async function run({ currentTarget: button }) {
  const { passkey, action, next } = button.dataset;
  const problem = button.parentElement.querySelector("[data-problem]");
  if (passkey === "create" && !button.form.reportValidity()) return;
  problem.hidden = true;
  button.disabled = true;
  try {
    const optionsJSON = await post(`${action}/options`, {});
    const start = passkey === "create" ? startRegistration : startAuthentication;
    await post(action, { ...fieldsOf(button), response: await start({ optionsJSON }) });
    location.assign(next);
  } catch (error) {
    problem.hidden = false;
    problem.textContent = MEANINGS[error.name] ?? error.message;
    button.disabled = false;
    button.focus();
  }
}

/** The name or the tick that goes along, and never a password. */
function fieldsOf({ form }) {
  if (form === null) return {};
  const fields = new FormData(form);
  return Object.fromEntries(
    ["name", "remember"].flatMap((key) => (fields.has(key) ? [[key, fields.get(key)]] : [])),
  );
}

async function post(path, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}
