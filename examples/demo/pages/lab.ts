import type { LoggedEvent } from "../event-log.ts";
import { type Html, html } from "../html.ts";
import type { Experiment, Place } from "../lab.ts";
import { page, time } from "./layout.ts";
import { stories } from "./stories.ts";

export interface LabModel {
  readonly now: number;
  readonly events: readonly LoggedEvent[];
  readonly said: Experiment["said"];
}

export function labPage({ now, events, said }: LabModel): Html {
  const result = (place: Place) =>
    html`<p class="result" role="status" data-result="${place}">${said?.place === place && said.message}</p>`;
  const body = html`<p class="note warn"><strong>This page is part of the demo only.</strong>
It moves the clock and copies cookies so that you can watch what psession does. Nothing like it belongs in a real app.</p>
<noscript><p class="note">Without JavaScript the buttons work, but the events do not update by themselves and there are no ten tabs.</p></noscript>
<div class="lab">
<section class="stories" aria-labelledby="stories-title">
<h2 id="stories-title">Try this</h2>
${stories}
</section>
<div class="tools">
<section class="card" id="clock" aria-labelledby="clock-title">
<h2 id="clock-title">The clock of this demo</h2>
<p class="clock" data-clock>${time(now)}</p>
<div class="actions">
${advance("30 minutes", 30 * 60)}${advance("a day", 86_400)}${advance("31 days", 31 * 86_400)}
</div>
${result("clock")}
</section>
<section class="card" id="browser" aria-labelledby="browser-title">
<h2 id="browser-title">Your browser</h2>
<div class="actions">
<a class="button" href="/" target="_blank" rel="noopener" data-visit>Visit</a>
<button type="button" class="js" data-tabs>Open ten tabs at once</button>
${button("/lab/close-browser", "Close the browser", "browser")}
</div>
${result("browser")}
<ol class="tabs" data-tab-list aria-label="Answers to the ten tabs" hidden></ol>
</section>
<section class="card" id="thief" aria-labelledby="thief-title">
<h2 id="thief-title">The thief's browser</h2>
<div class="actions">
${button("/lab/thief/copy", "A thief copies my cookies", "thief")}
${button("/lab/thief/visit", "Thief visits", "thief")}
${button("/lab/thief/close-browser", "Thief closes its browser", "thief")}
</div>
${result("thief")}
</section>
<section class="card" aria-labelledby="events-title">
<h2 id="events-title">What psession tells</h2>
<p class="hint">The latest 200 events of everybody, the newest first.</p>
<ol class="events" role="log" aria-live="polite" aria-labelledby="events-title" data-events tabindex="0">${events.map(eventItem)}</ol>
</section>
</div>
</div>`;
  return page(undefined, { title: "Lab", path: "/lab", wide: true }, body);
}

function advance(name: string, seconds: number): Html {
  return html`<form method="post" action="/lab/advance" data-lab="clock">
<input type="hidden" name="seconds" value="${seconds}"><button>Jump ${name} ahead</button></form>`;
}

function button(action: string, name: string, place: Place): Html {
  return html`<form method="post" action="${action}" data-lab="${place}"><button>${name}</button></form>`;
}

/** demo.js builds the same for events that come later. */
function eventItem({ id, type, at, text }: LoggedEvent): Html {
  return html`<li data-id="${id}" class="event ${type}"><span class="type">${type}</span> ${time(at)}<p>${text}</p></li>`;
}
