import { digestIn, hex } from "../digests.ts";
import { type Violation, violations } from "../promises/violation.ts";
import { devicesIn } from "./devices.ts";
import { checkGone } from "./erasing.ts";
import { mayAct } from "./ghost.ts";
import type { Runner } from "./runner.ts";
import { type Bounds, idIn, type Jar, NO_COOKIES, received, type World } from "./world.ts";

/** The promises about what whoever comes next is answered, with everything on its way lost; these send requests. */
export async function checkComing(world: World, bounds: Bounds, runner: Runner): Promise<Violation[]> {
  return [
    ...(await checkReturn(world, runner)),
    ...(await checkPlanted(world, runner)),
    ...(await checkSecondStep(world, runner)),
    ...(await checkTrust(world, runner)),
    ...(await checkActing(world, runner)),
    ...(await checkGone(world, runner)),
    ...(bounds.acts.includes("renew") ? await checkRevoking(world, runner) : []),
  ];
}

/** I25: the browser comes back, now and much later, from memory and from its disk. */
async function checkReturn(world: World, runner: Runner): Promise<Violation[]> {
  const { ghost, rows, now } = world;
  if (ghost.isThiefAbout) return [];
  const later = now + runner.settings.times.settle + runner.settings.times.mid;
  const onDisk: Jar = { ...world.disk, session: undefined };
  for (const [jar, at, what] of [
    [world.jar, now, "now"],
    [world.jar, later, "much later"],
    [onDisk, now, "after a crash"],
    [onDisk, later, "long after a crash"],
  ] as const) {
    if (jar.remember === undefined) continue;
    const { opened, events } = await runner.probe(rows, "read", jar, at);
    if (events.includes("theft"))
      return [{ invariant: "I25", what: `the browser, coming back ${what}, is taken for a thief` }];
    const login = rows.logins.get(idIn(jar.remember));
    const isOver = login === undefined || login.revokedReason === "replaced" || at > login.idleDeadline;
    const isSomebody = opened?.user !== undefined || opened?.pending !== undefined;
    if (!ghost.hasEnded && !isOver && !isSomebody)
      return [{ invariant: "I25", what: `the browser, coming back ${what}, is nobody` }];
  }
  return [];
}

/** I24: an earlier secret, whoever has it, reads nothing and completes nothing. */
async function checkPlanted({ ghost, rows, now, loot }: World, runner: Runner): Promise<Violation[]> {
  for (const { session, trust } of loot) {
    const secret = session === undefined ? undefined : ghost.secrets.get(digestIn(session));
    if (secret?.replacedBy === undefined || session === undefined) continue;
    const jar = { ...NO_COOKIES, session, trust };
    const { opened, rows: after } = await runner.probe(rows, "complete", jar, now);
    const found = violations("I24", [
      [opened?.user !== undefined || opened?.pending !== undefined, "what was planted reads"],
      [after !== rows, "what was planted completes, or changes something"],
    ]);
    if (found.length > 0) return found;
  }
  return [];
}

/** I22: the browser that was given the secret of a first step takes the second, in time, and once. */
async function checkSecondStep({ ghost, rows, now, jar }: World, runner: Runner): Promise<Violation[]> {
  const { session } = jar;
  const secret = session === undefined ? undefined : ghost.secrets.get(digestIn(session));
  if (secret?.kind !== "half" || session === undefined) return [];
  const isCurrent = hex(rows.sessions.get(idIn(session))?.secret) === digestIn(session);
  const isMarked = ghost.marks.some(({ user, at }) => user === secret.user && (secret.provedAt ?? -1) <= at);
  const isDue = isCurrent && now < secret.until && !isMarked;
  const { rows: after, cookies } = await runner.probe(rows, "complete", jar, now);
  const next = received(jar, cookies);
  const { opened } = await runner.probe(after, "read", next, now);
  const isIn = opened?.user === secret.user && next.session !== session;
  if (isIn !== isDue && (isDue || next.session !== session))
    return [
      { invariant: "I22", what: isDue ? "a second step signs nobody in" : "a second step signs in too late" },
    ];
  if (!isDue) return [];
  const { told } = await runner.probe(after, "complete", jar, now);
  return violations("I22", [[told.code !== "nothing_pending", "a second step is taken twice"]]);
}

/** I26: whoever holds a trust cookie, it says yes as long as it should. */
async function checkTrust(world: World, runner: Runner): Promise<Violation[]> {
  const { ghost, rows, now } = world;
  const sent = world.travellers.map(({ stage, progress }) =>
    stage === "answering" ? received(world.jar, progress?.cookies ?? []) : undefined,
  );
  const held = [world.jar, world.disk, ...world.loot, ...sent].flatMap((jar) => jar?.trust ?? []);
  for (const trust of new Set(held)) {
    const known = ghost.trusts.get(digestIn(trust));
    const jar = { ...NO_COOKIES, trust };
    const { told } = await runner.probe(rows, "is it trusted", jar, now);
    const isDue = known !== undefined && known.endedBy === undefined && now <= known.until;
    if (told.trusted === isDue) continue;
    // Until an order is answered, or a theft is, it may have ended already.
    if (isDue && (world.orders.length > 0 || ghost.isThiefAbout)) continue;
    return [
      {
        invariant: "I26",
        what: isDue
          ? "a browser that is trusted is asked again"
          : `a browser is trusted although its trust has ended (${known?.endedBy ?? "its time"})`,
      },
    ];
  }
  return [];
}

/** I29: whoever holds the cookie of an impersonation acts as Bob as long as Ada may, and no longer. */
async function checkActing(world: World, runner: Runner): Promise<Violation[]> {
  const { rows, now, jar, loot } = world;
  for (const held of [jar, ...loot, ...loot.map(({ acting }) => ({ ...jar, acting }))]) {
    if (held.acting === undefined) continue;
    const { opened } = await runner.probe(rows, "read", held, now);
    const isDue = mayAct(world, held, now);
    const isBob = opened?.user === "bob";
    // Bob may be signed in himself.
    const isHimself =
      held.session !== undefined && world.ghost.secrets.get(digestIn(held.session))?.user === "bob";
    const found = violations("I29", [
      [isDue && !isBob, "an impersonation in force is not served"],
      [
        !isDue && isBob && !isHimself,
        "an impersonation is served that has ended, or never was this browser's",
      ],
    ]);
    if (found.length > 0) return found;
  }
  return [];
}

/** I28: by its handle a device ends, and no other. */
async function checkRevoking({ rows, now }: World, runner: Runner): Promise<Violation[]> {
  const devices = devicesIn(rows, now);
  for (const { handle } of devices.filter(({ user }) => user === "ada")) {
    const nobody = NO_COOKIES;
    const { told, rows: after } = await runner.probe(rows, "the device is revoked", nobody, now, { handle });
    const left = devicesIn(after, now).map((device) => device.handle);
    const others = devices.map((device) => device.handle).filter((other) => other !== handle);
    const found = violations("I28", [
      [told.hasEnded !== true || left.includes(handle), "a device does not end by its handle"],
      [others.some((other) => !left.includes(other)), "a handle ends another device as well"],
    ]);
    if (found.length > 0) return found;
  }
  return [];
}
