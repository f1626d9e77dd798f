import { type Request, type RequestHandler, type Response, Router } from "express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { type Jar, readJar } from "../cookie-jar.ts";
import { readCheckbox, readWholeNumber } from "../input.ts";
import type { Lab, Visit } from "../lab.ts";
import { labPage } from "../pages/lab.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";

const TEN_YEARS = 10 * 366 * 86_400;
/** Far enough for any experiment; dates stay in a form that people can read. */
const LAST_MOMENT = Date.UTC(2999, 11, 31);

/**
 * The lab: part of the demo, never of a real app. None of its routes opens a session, so that looking does
 * not change what it shows; but a browser whose short cookie has run out proves its key before it looks.
 */
export function labRoutes({ site, clock, events, outbox, users }: Parts, lab: Lab): Router {
  const router = Router();

  const say = (request: Request, response: Response, message: string, data: object = {}) => {
    // A script shows the message itself; after a form the page is loaded again and has to contain it.
    if (!prefersJson(request)) lab.beginFor(request, response).said = message;
    done(request, response, { data: { message, ...data }, goTo: "/lab#bench" });
  };

  const drawn = (jar: Jar, visit: Omit<Visit, "handle"> | undefined, handle?: string) => ({
    jar,
    key: lab.keyOf(handle),
    visit: visit && {
      level: visit.level,
      email: visit.userId === undefined ? undefined : users.find(visit.userId)?.email,
      at: visit.at,
    },
  });

  router.get("/lab", (request, response) => {
    const experiment = lab.beginFor(request, response);
    const { thief, visit, thiefVisit, openPages, said } = experiment;
    experiment.said = undefined;
    const page = labPage({
      now: clock.now(),
      events: events.latest(),
      messages: outbox.latest(),
      said,
      openPages,
      site,
      visitor: drawn(readJar(request.headers.cookie, site.cookies), visit, visit?.handle),
      thief: drawn(thief.jar, thiefVisit),
    });
    sendPage(response, page);
  });

  router.get("/lab/events", (_request, response) => {
    response.json({ now: clock.now(), events: events.latest() });
  });

  router.post("/lab/advance", (request, response) => {
    const seconds = readWholeNumber(request, "seconds", { min: 1, max: TEN_YEARS });
    if (clock.now() + seconds * 1000 > LAST_MOMENT) {
      throw new Refusal(400, "too_far", "The clock goes no further than the year 2999.");
    }
    clock.advance(seconds * 1000);
    say(request, response, "The clock was moved ahead.", { now: clock.now() });
  });

  router.post("/lab/close-browser", (request, response) => {
    lab.beginFor(request, response).visit = undefined;
    // As a browser does when it closes: it drops cookies without a lifetime and keeps others.
    response.clearCookie(site.cookies.session, { path: "/", secure: site.scheme === "https" });
    say(request, response, "Your browser was closed and opened again: the session cookie is gone.");
  });

  router.post("/lab/thief/copy", (request, response) => {
    const experiment = lab.beginFor(request, response);
    experiment.thief.copy(request.headers.cookie);
    if (readCheckbox(request, "withoutShort")) experiment.thief.dropShortCookie();
    experiment.thiefVisit = undefined;
    const loot = namesOf(experiment.thief.jar);
    say(request, response, copied(loot), { cookies: loot });
  });

  router.post("/lab/thief/close-browser", (request, response) => {
    const experiment = lab.beginFor(request, response);
    experiment.thief.closeBrowser();
    experiment.thiefVisit = undefined;
    const loot = namesOf(experiment.thief.jar);
    say(request, response, left(loot), { cookies: loot });
  });

  router.post("/lab/thief/visit", async (request, response) => {
    const experiment = lab.beginFor(request, response);
    const me = await experiment.thief.visit(request.socket.localPort ?? 0);
    experiment.thiefVisit = { level: me.level, userId: me.userId ?? undefined, at: clock.now() };
    const signedIn = me.email !== null;
    const message = signedIn
      ? `The thief is signed in as ${me.email} (level ${me.level}).`
      : "The thief is not signed in.";
    say(request, response, message, { signedIn, me, cookies: namesOf(experiment.thief.jar) });
  });

  return router;
}

/** Notes how every visit ends, so that the lab can draw the visitor's browser. */
export function noteVisits({ clock }: Parts, lab: Lab): RequestHandler {
  return (request, response, next) => {
    const { session } = request;
    const isPage = session.isSignedIn && !prefersJson(request);
    const experiment = isPage ? lab.beginFor(request, response) : lab.experimentOf(request);
    if (experiment !== undefined) {
      response.on("finish", () => {
        const { level, userId, handle } = session;
        experiment.visit = { level, userId, handle, at: clock.now() };
      });
    }
    next();
  };
}

const namesOf = (jar: Jar): readonly string[] => [...jar.keys()];

function copied(names: readonly string[]): string {
  if (names.length === 0) return "You have no cookies of psession that could be copied: sign in first.";
  return `The thief copied ${names.join(" and ")}.`;
}

function left(names: readonly string[]): string {
  if (names.length === 0) return "The thief's browser was closed. It has no cookies of yours left.";
  return `The thief's browser was closed. It still has ${names.join(" and ")}.`;
}
