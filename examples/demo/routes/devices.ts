import { Router } from "express";
import { devicesPage as readyPage } from "psession/express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { readText, withNext } from "../input.ts";
import { devicesPage, readyDevicesPage } from "../pages/devices.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { signedIn, toSignIn } from "../signed-in.ts";
import { PROOF_LIFE } from "../strong.ts";
import { frameOf } from "../visitor.ts";

const NAME_LENGTH = { min: 0, max: 100 };

/** Shows where the user is signed in, and signs out there. */
export function deviceRoutes({ users, clock }: Parts): Router {
  const router = Router();
  router.use("/devices", signedIn);

  // What most applications need no page of their own for.
  router.use(
    "/account/devices",
    readyPage({
      redirectTo: toSignIn,
      fresh: { within: PROOF_LIFE, redirectTo: (path) => withNext("/confirm", path) },
      render: (parts, { session }) => readyDevicesPage(frameOf({ session }, users), parts).text,
    }),
  );

  router.get("/devices", async (request, response) => {
    const devices = await request.session.devices();
    if (prefersJson(request)) response.json({ devices });
    else sendPage(response, devicesPage(frameOf(request, users), devices, clock.now()));
  });

  router.post("/devices/revoke-others", async (request, response) => {
    const ended = await request.session.revokeOthers();
    request.session.set("notice", `Devices signed out: ${ended}.`);
    done(request, response, { data: { ended }, goTo: "/devices" });
  });

  router.post("/devices/revoke-all", async (request, response) => {
    const { session } = request;
    // Everywhere: the next sign-in here asks for a code, too.
    await session.distrust();
    const ended = (await session.revokeOthers()) + 1;
    await session.logout();
    session.set("notice", `You are signed out everywhere. Devices: ${ended}.`);
    done(request, response, { data: { ended }, goTo: "/" });
  });

  router.post("/devices/distrust", async (request, response) => {
    const ended = await request.session.distrust();
    request.session.set("notice", "The next sign-in on this browser asks for a code.");
    done(request, response, { data: { ended }, goTo: "/account" });
  });

  router.post("/devices/:handle/name", async (request, response) => {
    const { handle } = request.params;
    const name = readText(request, "name", NAME_LENGTH);
    const isNamed = await request.session.nameDevice(handle, name);
    if (!isNamed) throw noSuchDevice();
    done(request, response, { data: { handle, name }, goTo: "/devices" });
  });

  router.post("/devices/:handle/revoke", async (request, response) => {
    const { session } = request;
    // The session's own method ends this user's devices only, whatever handle is sent.
    const isEnded = await session.revoke(request.params.handle);
    if (!isEnded) throw noSuchDevice();
    // A user who ends the present device is signed out now.
    done(request, response, { data: { ended: 1 }, goTo: session.isSignedIn ? "/devices" : "/" });
  });

  return router;
}

const noSuchDevice = (): Refusal => new Refusal(404, "not_found", "You have no such device.");
