/** The script of the lab: its buttons do the work of the forms and links without leaving the page. */

const JSON_ONLY = { headers: { Accept: "application/json" } };
const TABS = 10;
const SECOND = 1000;

const find = (selector) => document.querySelector(selector);
const events = find("#events");
const tabs = find("[data-tab-list]");
let asked = 0;

for (const form of document.querySelectorAll("form[data-lab]")) form.addEventListener("submit", submit);
find("[data-visit]").addEventListener("click", visit);
find("[data-tabs]").addEventListener("click", openTabs);
// Until now a click would have done nothing.
find("[data-tabs]").disabled = false;
keepUp();

function submit(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const body = new URLSearchParams(new FormData(form));
  show(async () => (await readJson(form.action, { method: "POST", body })).message);
}

function visit(event) {
  event.preventDefault();
  show(async () => describe(await readJson("/me")));
}

function openTabs() {
  show(async () => {
    const answers = await Promise.all(Array.from({ length: TABS }, () => readJson("/me")));
    tabs.hidden = false;
    tabs.replaceChildren(...answers.map(tabItem));
    const signedIn = answers.filter(({ userId }) => userId !== null);
    const handles = new Set(signedIn.map(({ handle }) => handle)).size;
    return `${signedIn.length} of ${TABS} tabs are signed in, by ${handles} handle${handles === 1 ? "" : "s"}.`;
  });
}

async function show(work) {
  const result = find("[data-result]");
  result.textContent = "…";
  tabs.hidden = true;
  try {
    result.textContent = await work();
    await update();
  } catch (error) {
    result.textContent = error.message;
  }
}

async function readJson(path, options, isAgain = false) {
  const response = await fetch(path, { ...JSON_ONLY, ...options });
  const answer = await response.json();
  if (response.ok) return answer;
  // The proof of this browser's key has run out, and the answer took it away: the browser makes another before it asks again.
  if (answer.error.code === "key_proof_required" && !isAgain) return readJson(path, options, true);
  throw new Error(answer.error.message);
}

function describe({ email, level, cart }) {
  const items = `${cart.length} ${cart.length === 1 ? "thing" : "things"} in the cart`;
  return email === null ? `You are not signed in; ${items}.` : `You are ${email}, level ${level}; ${items}.`;
}

function tabItem({ level, handle }) {
  const item = document.createElement("li");
  const code = Object.assign(document.createElement("code"), {
    textContent: `${handle.slice(0, 8)}…`,
    title: handle,
  });
  item.append(level, " ", code);
  return item;
}

/** The lab's routes open no session, so asking each second changes nothing. */
async function keepUp() {
  // If the server is gone for now, the next attempt will show it.
  await update().catch(() => {});
  setTimeout(keepUp, SECOND);
}

/** Updates the page to the state that reloading it would show. */
async function update() {
  asked += 1;
  const mine = asked;
  const response = await fetch("/lab");
  const text = await response.text();
  // A later request has newer data.
  if (!response.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const part of page.querySelectorAll("[data-live]")) {
    const here = document.getElementById(part.id);
    if (here.innerHTML !== part.innerHTML) here.replaceChildren(...part.childNodes);
  }
  updateEvents([...page.querySelectorAll("#events > li")]);
}

/** Adds new entries only: screen readers read out every added one. */
function updateEvents(items) {
  const shown = new Map([...events.children].map((item) => [item.dataset.id, item]));
  const fresh = items.filter(({ dataset }) => !shown.has(dataset.id));
  events.prepend(...fresh);
  for (const item of items) {
    const here = shown.get(item.dataset.id);
    if (here !== undefined) here.querySelector("time").textContent = item.querySelector("time").textContent;
    shown.delete(item.dataset.id);
  }
  for (const gone of shown.values()) gone.remove();
}
