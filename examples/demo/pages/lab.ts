import type { Level } from "psession";
import { compare, type Jar, lookOf } from "../cookie-jar.ts";
import type { LoggedEvent } from "../event-log.ts";
import { type Html, html } from "../html.ts";
import type { SeenKey } from "../lab.ts";
import type { Message } from "../outbox.ts";
import type { Site } from "../site.ts";
import { levelBadge, page } from "./layout.ts";
import { storiesOf } from "./stories.ts";
import { exactTime, time } from "./time.ts";

export interface LabModel {
  readonly now: number;
  readonly events: readonly LoggedEvent[];
  readonly messages: readonly Message[];
  readonly said: string | undefined;
  /** The visitor's pages that wait for the end of their session. */
  readonly openPages: number;
  readonly site: Site;
  readonly visitor: BrowserModel;
  readonly thief: BrowserModel;
}

/** What the lab shows of a browser. */
export interface BrowserModel {
  readonly jar: Jar;
  /** That its session is bound to; a copy of the cookies has none. */
  readonly key: SeenKey | undefined;
  /** How it was known when it last visited; undefined if it has not visited since it was closed. */
  readonly visit:
    | { readonly level: Level; readonly email: string | undefined; readonly at: number }
    | undefined;
}

const lead = html`A real app has no such page. Here you move the clock, close browsers and let a thief copy your cookies,
and see what psession makes of it.`;

export function labPage(model: LabModel): Html {
  const { now, events, messages, said, openPages, site, visitor, thief } = model;
  // Over http there are no keys, and nothing to show of them.
  const binds = site.scheme === "https";
  const body = html`<noscript><p class="note">Without JavaScript the buttons work, but the page shows news only when it is loaded again, and there are no ten tabs.</p></noscript>
<div class="lab${binds && " binds"}">
<section class="bench" id="bench" aria-label="Clock and browsers">
<div class="card clock">
<div>
<h2>The clock of this demo</h2>
<p class="now" id="now" data-live>${exactTime(now)}</p>
</div>
<div class="jumps">
${jump("30 minutes", 30 * 60)}${jump("1 day", 86_400)}${jump("31 days", 31 * 86_400)}
</div>
</div>
<p class="result" role="status" data-result>${said ?? "Results appear here."}</p>
<div class="browsers">
<section class="browser" aria-labelledby="visitor-title">
<h2 id="visitor-title">Your browser</h2>
<div class="state" id="visitor" data-live>${browserState(visitor, { now, site, openPages })}</div>
<div class="buttons">
<a class="button tool" href="/" target="_blank" rel="noopener" data-visit>Visit</a>
<button type="button" class="tool js" data-tabs disabled>Open ten tabs</button>
${button("/lab/close-browser", "Close browser")}
</div>
</section>
<section class="browser thief" aria-labelledby="thief-title">
<h2 id="thief-title">Thief's browser</h2>
<div class="state" id="thief" data-live>${browserState(thief, { now, site, ownerJar: visitor.jar })}</div>
<div class="buttons">
${button("/lab/thief/copy", "Copy cookies")}
${binds && button("/lab/thief/copy", "Copy long ones", { fullName: "Copy long cookies only", field: "withoutShort" })}
${button("/lab/thief/visit", "Thief visits")}
${button("/lab/thief/close-browser", "Thief closes", { fullName: "Thief closes browser" })}
</div>
</section>
</div>
<ol class="tabs" data-tab-list aria-label="Answers to the ten tabs" hidden></ol>
<p class="hint">Cookies that show the same four characters are copies of one. A browser that comes back without its session
cookie gets a new token only when two minutes have passed since the last one: sooner, it is let in as
<em>remembered</em>, and its cookies stay as they are (<code>accepted</code>).</p>
${binds && aboutKeys}
</section>
<section class="card log" aria-labelledby="events-title">
<h2 id="events-title">Events <span class="hint">of all users, the newest first</span></h2>
<ol class="events" id="events" role="log" aria-relevant="additions" aria-labelledby="events-title" tabindex="0">${events.map((event) => eventItem(event, now))}</ol>
</section>
<section class="card messages" id="messages" aria-labelledby="messages-title">
<h2 id="messages-title">Messages <span class="hint">to all users, the newest first</span></h2>
<div id="message-list" data-live>${messageList(messages, now)}</div>
</section>
<section class="card stories" aria-labelledby="stories-title">
<h2 id="stories-title">Try this</h2>
${storiesOf(site)}
</section>
</div>`;
  return page(undefined, { title: "Lab", path: "/lab", lead, scripts: ["demo.js"] }, body);
}

const aboutKeys = html`<p class="hint">A browser that can binds its sign-in to a key, which never leaves it, and proves
that key every few minutes for another short cookie. From a minute after its first visit with one, the other cookies
alone open nothing. Your browser can if the key appears above some seconds after the sign-in.</p>`;

interface Surroundings {
  readonly now: number;
  readonly site: Site;
  /** Of whom the cookies were copied. */
  readonly ownerJar?: Jar;
  readonly openPages?: number;
}

function browserState(
  { jar, key, visit }: BrowserModel,
  { now, site, ownerJar, openPages = 0 }: Surroundings,
): Html {
  const { session, remember, bound } = site.cookies;
  return html`${
    visit === undefined
      ? html`<p><span class="badge">Not seen yet</span></p><p class="who hint">No visit since it was opened</p>`
      : html`<p>${levelBadge(visit.level)}</p><p class="who hint">${visit.email && html`<span class="email">${visit.email}</span>`}${time(visit.at, now)}${openPages > 0 && `, ${openPages} ${openPages === 1 ? "page" : "pages"} open`}</p>`
  }
<dl>
${cookieLine("Session cookie", session)}
${cookieLine("Remember cookie", remember)}
${
  site.scheme === "https" &&
  html`${cookieLine("Short cookie", bound)}
<div><dt>Key</dt><dd>${key === undefined ? none : html`${key.algorithm} <span><span class="wide">registered</span> ${time(key.since, now)}</span>`}</dd></div>`
}
</dl>`;

  function cookieLine(label: string, name: string): Html {
    const value = jar.get(name);
    const standing = ownerJar && value !== undefined && compare(value, ownerJar.get(name));
    return html`<div><dt>${label}</dt><dd>${value === undefined ? none : cookie(value, now, standing)}</dd></div>`;
  }
}

const none = html`<span class="hint">none</span>`;

function cookie(value: string, now: number, standing: string | false | undefined): Html {
  const { tag, number, until } = lookOf(value);
  return html`<code class="cookie">${tag}</code>${number !== undefined && html` <span>number ${number}</span>`}${until !== undefined && html` <span><span class="wide">${until < now ? "ran out" : "runs out"}</span> ${time(until, now)}</span>`}${standing && html` <span class="standing">${standing}</span>`}`;
}

function jump(name: string, seconds: number): Html {
  return html`<form method="post" action="/lab/advance" data-lab>
<input type="hidden" name="seconds" value="${seconds}"><button class="tool" aria-label="Jump ${name} ahead">+${name}</button></form>`;
}

interface ButtonOptions {
  readonly fullName?: string;
  /** What is sent as "on". */
  readonly field?: string;
}

function button(action: string, name: string, { fullName = name, field }: ButtonOptions = {}): Html {
  return html`<form method="post" action="${action}" data-lab>${field && html`<input type="hidden" name="${field}" value="on">`}<button class="tool" aria-label="${fullName}">${name}</button></form>`;
}

function messageList(messages: readonly Message[], now: number): Html {
  if (messages.length === 0) {
    return html`<p class="hint">None yet. A <a href="/reset">forgotten password</a> makes one.</p>`;
  }
  return html`<ul class="list">${messages.map(
    ({ to, at, text, link }) => html`<li><div><p class="hint">To ${to}, ${time(at, now)}</p>
<p class="mail">${text}${link !== undefined && html` <a href="${link}">Open the link</a>`}</p></div></li>`,
  )}</ul>`;
}

function eventItem({ id, type, at, text }: LoggedEvent, now: number): Html {
  return html`<li data-id="${at}-${id}" class="event ${type}"><span class="type">${type}</span> ${time(at, now)}<p>${text}</p></li>`;
}
