import type { Request, Response } from "express";
import type { Html } from "./html.ts";

/** Browsers ask for HTML first; scripts say `Accept: application/json`. */
export function prefersJson(request: Request): boolean {
  return request.accepts(["html", "json"]) === "json";
}

export function sendPage(response: Response, page: Html): void {
  response.type("html").send(page.text);
}

/** Answers a completed action: scripts get the data, browsers go to a page that they may reload. */
export function done(request: Request, response: Response, next: { data: object; goTo: string }): void {
  if (prefersJson(request)) response.json(next.data);
  else response.redirect(303, next.goTo);
}
