import { type Request, type Response, Router } from "express";
import { endedText } from "psession/notices";
import { done, prefersJson, sendPage } from "../answer.ts";
import { MOST_ITEMS } from "../cart.ts";
import { showAgain } from "../errors.ts";
import { readText, readWholeNumber } from "../input.ts";
import { homePage } from "../pages/home.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { describeVisitor, frameOf } from "../visitor.ts";

const ITEM_LENGTH = { min: 1, max: 80 };

/** Home, cart, and who the visitor is. The cart works for anonymous visitors too. */
export function homeRoutes({ users, clock }: Parts): Router {
  const router = Router();

  const home = (request: Request, problem?: string) => {
    const { endedBecause, authenticatedAt } = request.session;
    const cart = request.session.get("cart") ?? [];
    const model = { now: clock.now(), ended: endedText(endedBecause?.code), authenticatedAt, cart, problem };
    return homePage(frameOf(request, users), model);
  };

  router.get("/", (request, response) => {
    if (prefersJson(request)) response.json(describeVisitor(request, users));
    else sendPage(response, home(request));
  });

  router.get("/me", (request, response) => {
    response.json(describeVisitor(request, users));
  });

  router.post(
    "/cart",
    (request: Request, response: Response) => {
      const { session } = request;
      const item = readText(request, "item", ITEM_LENGTH).trim();
      if (item === "") throw new Refusal(400, "invalid_input", "Please say what to add.");
      if ((session.get("cart") ?? []).length >= MOST_ITEMS) {
        throw new Refusal(409, "cart_full", `The cart holds at most ${MOST_ITEMS} things.`);
      }
      session.push("cart", item);
      done(request, response, { data: { cart: session.get("cart") }, goTo: "/" });
    },
    showAgain(home),
  );

  router.post("/cart/remove", (request, response) => {
    const index = readWholeNumber(request, "index", { min: 0, max: MOST_ITEMS - 1 });
    const cart = request.session.get("cart") ?? [];
    if (index >= cart.length) throw new Refusal(404, "not_found", "That is not in your cart any more.");
    // What `get` returns is the session's own list: changes to it are saved.
    cart.splice(index, 1);
    done(request, response, { data: { cart }, goTo: "/" });
  });

  return router;
}
