/** The extras of the lab page. Every other page works without a script. */

const JSON_ONLY = { headers: { Accept: "application/json" } };
const TABS = 10;

const find = (selector) => document.querySelector(selector);
const eventList = find("[data-events]");
if (eventList !== null) startLab();

function startLab() {
  for (const form of document.querySelectorAll("form[data-lab]")) form.addEventListener("submit", submit);
  find("[data-visit]").addEventListener("click", visit);
  find("[data-tabs]").addEventListener("click", openTabs);
  refresh();
}

/** Does without leaving the page what the form would do. */
async function submit(event) {
  event.preventDefault();
  const { action, dataset } = event.currentTarget;
  const body = new URLSearchParams(new FormData(event.currentTarget));
  await showResult(dataset.lab, async () => {
    const answer = await readJson(fetch(action, { ...JSON_ONLY, method: "POST", body }));
    return answer.message;
  });
}

async function visit(event) {
  event.preventDefault();
  await showResult("browser", async () => describe(await readJson(fetch("/me", JSON_ONLY))));
}

async function openTabs() {
  await showResult("browser", async () => {
    const answers = await Promise.all(Array.from({ length: TABS }, () => readJson(fetch("/me", JSON_ONLY))));
    const list = find("[data-tab-list]");
    list.hidden = false;
    list.replaceChildren(...answers.map(tabItem));
    const handles = new Set(answers.filter(({ userId }) => userId !== null).map(({ handle }) => handle));
    const signedIn = answers.filter(({ userId }) => userId !== null).length;
    return `${signedIn} of ${TABS} tabs are signed in, by ${handles.size} handle${handles.size === 1 ? "" : "s"}.`;
  });
}

async function showResult(place, work) {
  const result = find(`[data-result="${place}"]`);
  result.textContent = "…";
  if (place === "browser") find("[data-tab-list]").hidden = true;
  try {
    result.textContent = await work();
  } catch (error) {
    result.textContent = error.message;
  }
}

async function readJson(fetching) {
  const response = await fetching;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

function describe({ email, level, cart }) {
  const items = `${cart.length} ${cart.length === 1 ? "thing" : "things"} in the cart`;
  return email === null ? `You are not signed in; ${items}.` : `You are ${email}, level ${level}; ${items}.`;
}

function tabItem({ level, handle }) {
  return element("li", {}, level, " ", element("code", { title: handle }, `${handle.slice(0, 8)}…`));
}

/** Asks each second what happened; the lab's routes open no session, so asking changes nothing. */
async function refresh() {
  try {
    const { now, events } = await readJson(fetch("/lab/events", JSON_ONLY));
    find("[data-clock]").replaceChildren(timeElement(now));
    const shown = Number(eventList.firstElementChild?.dataset.id ?? 0);
    // A restarted server counts from one again.
    if (events.length === 0 || events[0].id < shown) eventList.replaceChildren();
    const isNew = ({ id }) => id > Number(eventList.firstElementChild?.dataset.id ?? 0);
    eventList.prepend(...events.filter(isNew).map(eventItem));
    while (eventList.children.length > events.length) eventList.lastElementChild.remove();
  } catch {
    // The server is gone for now: the next try will tell.
  }
  setTimeout(refresh, 1000);
}

function eventItem({ id, type, at, text }) {
  const item = element("li", { className: `event ${type}` });
  item.dataset.id = id;
  item.append(element("span", { className: "type" }, type), " ", timeElement(at), element("p", {}, text));
  return item;
}

function timeElement(at) {
  const iso = new Date(at).toISOString();
  return element("time", { dateTime: iso }, `${iso.slice(0, 19).replace("T", " ")} UTC`);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
