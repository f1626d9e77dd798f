import { member } from "../../lib/server/guards.ts";
import type { RequestHandler } from "./$types";

/** Server-sent events, which end with the session, wherever it is ended. */
export const GET: RequestHandler = async (event) => {
  const session = await member(event);
  let stop: (() => void) | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => controller.enqueue(new TextEncoder().encode(text));
      send("data: hello\n\n");
      stop = session.onEnd(() => {
        send("event: signed-out\ndata:\n\n");
        controller.close();
      });
    },
    cancel: () => stop?.(),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};
