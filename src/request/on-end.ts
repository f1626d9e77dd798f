import type { Opened } from "../upkeep/endings.ts";
import { aliveUntil } from "./alive.ts";
import { idOf } from "./standing.ts";
import { identityOf, type RequestState, sessionOf } from "./state.ts";

const connections = new WeakMap<RequestState, Opened>();

/** Calls `listener` once when what the request opened has ended. Returns the function that stops listening. */
export function onEnd(state: RequestState, listener: () => void): () => void {
  const opened = connections.get(state) ?? openedBy(state);
  connections.set(state, opened);
  return state.core.endings.add(opened, listener);
}

/** To be called when a response was settled, which may have given the request another session. */
export function settledFor(state: RequestState): void {
  const opened = connections.get(state);
  if (opened !== undefined) state.core.endings.settled(opened);
}

function openedBy(state: RequestState): Opened {
  return {
    ids() {
      const { standing, host, canSetCookies } = state;
      // A row that is made with the response gets the id that is drawn for it now.
      const id = canSetCookies ? idOf(state) : sessionOf(standing)?.id;
      const all = [id, identityOf(state).rememberedId, host?.id, host?.rememberedId];
      return all.filter((one) => one !== undefined);
    },
    isStored: () => state.standing.kind !== "none" && state.standing.kind !== "detached",
    async aliveUntil() {
      // A change of the request's own that is on its way would look like somebody else's.
      while (state.turn !== undefined) await state.turn;
      return aliveUntil(state);
    },
  };
}
