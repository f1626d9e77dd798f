import { type Request, type Response, Router } from "express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { readWholeNumber } from "../input.ts";
import { Lab, type Place } from "../lab.ts";
import { labPage } from "../pages/lab.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { SESSION_COOKIE } from "../thief.ts";

const TEN_YEARS = 10 * 366 * 86_400;
/** Far enough for any experiment; dates stay in a form that people can read. */
const LAST_MOMENT = Date.UTC(2999, 11, 31);

/**
 * The lab: part of the demo, never of a real app. None of its routes opens a session, so that what it shows
 * is not changed by looking.
 */
export function labRoutes({ clock, events }: Parts): Router {
  const router = Router();
  const lab = new Lab();

  const say = (request: Request, response: Response, place: Place, message: string, data: object = {}) => {
    // A script shows the message itself; a form's page is loaded anew and has to bring it along.
    if (!prefersJson(request)) lab.beginFor(request, response).said = { place, message };
    done(request, response, { data: { message, ...data }, goTo: `/lab#${place}` });
  };

  router.get("/lab", (request, response) => {
    const experiment = lab.experimentOf(request);
    const model = { now: clock.now(), events: events.latest(), said: experiment?.said };
    if (experiment !== undefined) experiment.said = undefined;
    sendPage(response, labPage(model));
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
    say(request, response, "clock", "The clock was moved ahead.", { now: clock.now() });
  });

  router.post("/lab/close-browser", (request, response) => {
    // What a browser does by itself when it closes: cookies without a lifetime go, others stay.
    response.clearCookie(SESSION_COOKIE, { path: "/" });
    say(
      request,
      response,
      "browser",
      "Your browser was closed and opened again: the session cookie is gone.",
    );
  });

  router.post("/lab/thief/copy", (request, response) => {
    const { thief } = lab.beginFor(request, response);
    thief.copy(request.headers.cookie);
    say(request, response, "thief", copied(thief.loot), { cookies: thief.loot });
  });

  router.post("/lab/thief/close-browser", (request, response) => {
    const { thief } = lab.beginFor(request, response);
    thief.closeBrowser();
    say(request, response, "thief", left(thief.loot), { cookies: thief.loot });
  });

  router.post("/lab/thief/visit", async (request, response) => {
    const { thief } = lab.beginFor(request, response);
    const me = await thief.visit(request.socket.localPort ?? 0);
    const signedIn = me.email !== null;
    const message = signedIn
      ? `The thief is signed in as ${me.email} (level ${me.level}).`
      : "The thief is not signed in.";
    say(request, response, "thief", message, { signedIn, me, cookies: thief.loot });
  });

  return router;
}

function copied(names: readonly string[]): string {
  if (names.length === 0) return "You have no cookies of psession that could be copied: sign in first.";
  return `The thief copied ${names.join(" and ")}.`;
}

function left(names: readonly string[]): string {
  if (names.length === 0) return "The thief's browser was closed. It has no cookies of yours left.";
  return `The thief's browser was closed. It still has ${names.join(" and ")}.`;
}
