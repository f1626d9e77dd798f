/** The size of sessions: in the store, in the browser, and in the server's memory. */
import { type Contender, idOf } from "./contenders/index.ts";
import type { Load } from "./measure.ts";
import type { SizeResult } from "./results.ts";
import { check, Running } from "./running.ts";
import type { Stores } from "./stores.ts";
import { PATHS } from "./workload.ts";

export const SESSIONS = 10_000;

let weighed = 0;

/** One result, and another with remembered logins if the library has them. */
export async function measureSize(stores: Stores, load: Load, contender: Contender): Promise<SizeResult[]> {
  const { library, framework, store } = contender;
  const about = { id: idOf(contender), library, framework, store };
  const place = await stores.place(store, contender.tables, `size${++weighed}`);
  const running = await Running.start(contender, place);
  const stored = async (work: () => Promise<unknown>) => {
    if (store === "cookie") {
      await work();
      return undefined;
    }
    const before = await stores.size(place);
    await work();
    return ((await stores.size(place)) - before) / SESSIONS;
  };
  const signIn = (requests: number) =>
    load.run({
      ...{ port: running.port, method: "POST", path: PATHS.login, connections: 16 },
      ...{ cookies: [], lasts: { requests }, wrong: '"user":null' },
    });
  try {
    await check(running, contender.scenarios);
    const [cookie = ""] = await running.signIn(1);
    // The first requests also create pools and compiled code, which do not belong to sessions.
    await signIn(SESSIONS / 5);
    const held = await running.ask({ ask: "memory" });
    const plain: SizeResult = {
      ...about,
      remembered: false,
      stored: await stored(() => signIn(SESSIONS)),
      cookie: cookie.length,
      held: (await running.ask({ ask: "memory" })) - held,
    };
    if (!contender.scenarios.includes("restore")) return [plain];
    let remembered: string[] = [];
    const both = await stored(async () => {
      remembered = await running.ask({ ask: "remembered", count: SESSIONS });
    });
    const bytes = cookie.length + 2 + (remembered[0]?.length ?? 0);
    return [plain, { ...about, remembered: true, stored: both, cookie: bytes, held: undefined }];
  } finally {
    await running.stop();
  }
}
