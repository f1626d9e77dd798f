import type { PlaceLookup } from "../options/public.ts";

/** Short, as a user waits for the page with the list. */
const PATIENCE = 1000;

/** The places of addresses, each looked up once. What fails, or is not there in time, is left out. */
export async function placesOf(
  addresses: readonly string[],
  lookup: PlaceLookup,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const lookups = [...new Set(addresses)].map(async (address) => {
    try {
      const place = await lookup(address);
      if (typeof place === "string" && place !== "") found.set(address, place);
    } catch {
      // Not reported: the lookup is the application's, which can log its failures itself.
    }
  });
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE);
  await Promise.race([Promise.all(lookups), isOver]);
  clearTimeout(timer);
  return new Map(found);
}
