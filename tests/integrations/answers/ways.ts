import { once } from "node:events";
import { createReadStream } from "node:fs";
import { request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import { finished, PassThrough, pipeline, Readable, Writable } from "node:stream";
import { pipeline as piped } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import type { Response } from "express";

const fileOf = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const SMALL = fileOf("LICENSE");
const LARGE = fileOf("package-lock.json");
const LINE = "a line of some length, so that it is worth to be packed\n";

/** Notes what a handler sees of its response. */
export type Note = (what: string, value?: unknown) => void;

export interface Way {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** It breaks off, after the head or before it. */
  readonly isCut?: true;
  /** Where something packs the answer, it is that which refuses, after it has begun. */
  readonly isForPlain?: true;
  /** Answers with what Node has, and tells what it saw. `change` does to the session what the case says. */
  answer(response: ServerResponse, note: Note, request: IncomingMessage, change: () => void): unknown;
}

const TEXT = { "Content-Type": "text/plain" } as const;
const text = (response: ServerResponse): ServerResponse => response.setHeader("Content-Type", "text/plain");
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What anybody may look at: middleware, streams, proxies, loggers. */
function seen(response: ServerResponse): unknown {
  const { headersSent, statusCode, destroyed, writable, writableEnded, finished } = response;
  const { _header } = response as unknown as { _header: unknown };
  // What packs an answer ends it when all is packed.
  const ends = Object.hasOwn(response, "flush") ? {} : { writableEnded, finished };
  return { headersSent, statusCode, destroyed, writable, head: Boolean(_header), ...ends };
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? String(error);

const refusal = (note: Note, what: string, call: () => unknown): void => {
  try {
    call();
    note(what, "taken");
  } catch (error) {
    note(what, codeOf(error));
  }
};

/** The ways in which handlers answer with what Node gives them. */
export const WAYS: Record<string, Way> = {
  end: { answer: (response) => void response.end() },
  "end with text": {
    answer: (response, note) => {
      text(response).end("a text");
      note("after", seen(response));
    },
  },
  "end with text that is worth packing": { answer: (response) => void text(response).end(LINE.repeat(40)) },
  "end with bytes": { answer: (response) => void text(response).end(Buffer.from("bytes")) },
  "end with text in another encoding": {
    answer: (response) => {
      text(response).write("c3a9", "hex");
      response.end("6869", "hex");
    },
  },
  "end with a callback": {
    answer: (response, note) => {
      text(response).end("a text", () => note("callback"));
    },
  },
  "write, then end": {
    answer: (response, note) => {
      text(response);
      note("wrote", response.write("one "));
      note("after", seen(response));
      response.end("two");
      note("ended", seen(response));
    },
  },
  "many writes": {
    answer: (response, note) => {
      text(response);
      for (let count = 0; count < 40; count++) response.write(`${count} ${LINE}`);
      note("after", seen(response));
      response.end();
    },
  },
  "writes with callbacks": {
    answer: (response, note) => {
      text(response).write("one ", () => note("one"));
      response.write("two ", "utf8", () => note("two"));
      response.end("three", () => note("three"));
    },
  },
  "writes that heed what write answers": {
    answer: async (response, note) => {
      text(response);
      let waits = 0;
      for (let count = 0; count < 4000; count++) {
        if (response.write(`${count} ${LINE.repeat(2)}`)) continue;
        waits++;
        await once(response, "drain");
      }
      response.end();
      note("waited", waits > 0);
    },
  },
  "one large write, and more after drain": {
    answer: (response, note) => {
      const isFree = text(response).write(LINE.repeat(20_000));
      note("free", isFree);
      response.once("drain", () => response.end("the rest"));
    },
  },
  "a large write, then a pipe": {
    answer: (response) => {
      text(response).write(LINE.repeat(20_000));
      Readable.from(["one ", "two"]).pipe(response);
    },
  },
  "an empty write first": {
    answer: (response, note) => {
      text(response);
      note("wrote", response.write(""));
      response.end("text");
    },
  },
  "writes that are spread over turns": {
    answer: async (response) => {
      text(response);
      for (const word of ["one ", "two ", "three"]) {
        response.write(word);
        await turn();
      }
      response.end();
    },
  },
  "writeHead and end": {
    answer: (response, note) => {
      response.writeHead(201, TEXT);
      note("after", seen(response));
      response.end("made");
    },
  },
  "writeHead with a message": {
    answer: (response) => void response.writeHead(202, "As you like", TEXT).end(),
  },
  "writeHead with a list": {
    answer: (response) => void response.writeHead(200, ["X-One", "1", "X-Two", "2"]).end("list"),
  },
  "writeHead twice": {
    answer: (response, note) => {
      response.writeHead(200);
      refusal(note, "second", () => response.writeHead(404));
      response.end("once");
    },
  },
  "headers after writeHead": {
    answer: (response, note) => {
      response.writeHead(200, TEXT);
      refusal(note, "set", () => response.setHeader("X-Late", "1"));
      refusal(note, "append", () => response.appendHeader("X-Late", "1"));
      refusal(note, "remove", () => response.removeHeader("X-Late"));
      response.end("text");
    },
  },
  "headers after a write": {
    answer: (response, note) => {
      text(response).write("one ");
      refusal(note, "set", () => response.setHeader("X-Late", "1"));
      note("sent", response.headersSent);
      response.end("two");
    },
  },
  "flushHeaders, later a body": {
    answer: async (response, note) => {
      text(response).flushHeaders();
      note("after", seen(response));
      await turn();
      response.end("body");
    },
  },
  "an event stream": {
    answer: async (response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.flushHeaders();
      for (const event of ["one", "two"]) {
        response.write(`data: ${event}\n\n`);
        await turn();
      }
      response.end();
    },
  },
  "a small file that is piped": {
    answer: (response) => {
      createReadStream(SMALL).pipe(text(response));
    },
  },
  "a large file that is piped": {
    answer: (response) => {
      createReadStream(LARGE).pipe(text(response));
    },
  },
  "a pipeline": {
    answer: (response, note) => {
      pipeline(Readable.from(["one ", "two ", "three"]), text(response), (error) => {
        note("done", error === undefined || error === null ? "well" : codeOf(error));
      });
    },
  },
  "a pipeline that is awaited": {
    answer: async (response, note) => {
      await piped(createReadStream(LARGE), text(response));
      note("done");
    },
  },
  "a pipeline of a generator": {
    answer: async (response) => {
      await piped(async function* () {
        for (let count = 0; count < 200; count++) yield `${count} ${LINE.repeat(20)}`;
      }, text(response));
    },
  },
  "a pipe through others": {
    answer: (response) => {
      Readable.from(["one ", "two"]).pipe(new PassThrough()).pipe(text(response));
    },
  },
  "a web stream": {
    answer: async (response, note) => {
      const body = new Blob([LINE.repeat(3000)]).stream();
      await body.pipeTo(Writable.toWeb(text(response)) as WritableStream<Uint8Array>);
      note("done");
    },
  },
  "a proxy": {
    answer: (response, _note, request) => {
      const { localPort } = request.socket;
      const path = "/upstream";
      const call = ask({ port: localPort, path, agent: false }, (answer) => {
        const { date, connection, "keep-alive": _kept, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 0, headers);
        answer.pipe(response);
      });
      call.end();
    },
  },
  "a length that is given": {
    answer: (response) => {
      text(response).setHeader("Content-Length", 7);
      response.write("one ");
      response.end("two");
    },
  },
  "cork and uncork": {
    answer: (response) => {
      text(response).cork();
      response.write("one ");
      response.write("two ");
      response.uncork();
      response.end("three");
    },
  },
  trailers: {
    answer: (response) => {
      text(response).setHeader("Trailer", "X-Sum");
      response.write("body");
      response.addTrailers({ "X-Sum": "1" });
      response.end();
    },
  },
  "a hint before the answer": {
    answer: (response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      text(response).end("text");
    },
  },
  "204": { answer: (response) => void response.writeHead(204).end() },
  "304": { answer: (response) => void response.writeHead(304, { ETag: '"1"' }).end() },
  "a redirect": { answer: (response) => void response.writeHead(303, { Location: "/n" }).end() },
  HEAD: { method: "HEAD", answer: (response) => void text(response).end("a text") },
  "HEAD that is piped": {
    method: "HEAD",
    answer: (response) => {
      Readable.from(["one ", "two"]).pipe(text(response));
    },
  },
  "a second end": {
    answer: (response) => {
      text(response).end("first");
      response.end();
    },
  },
  "a second end with a callback": {
    answer: (response, note) => {
      text(response).end("first");
      response.end((error?: unknown) => note("second", codeOf(error)));
    },
  },
  "a change while the body is written, and what comes after the end": {
    answer: async (response, note, _request, change) => {
      text(response).write("one ");
      await turn();
      change();
      response.end("two", () => note("ended"));
      response.end();
      response.end(() => note("ended again"));
    },
  },
  "a body that is no body": {
    isForPlain: true,
    answer: (response, note) => {
      text(response);
      refusal(note, "write", () => response.write(7 as never));
      response.end("text");
    },
  },
  "writeHead with a status that is none": {
    isForPlain: true,
    answer: (response, note) => {
      refusal(note, "head", () => response.writeHead(7));
      text(response).writeHead(200).end("text");
    },
  },
  "a status that is none": {
    answer: (response, note) => {
      response.statusCode = 7;
      refusal(note, "end", () => response.end("text"));
      response.statusCode = 200;
      response.end("text");
    },
  },
  events: {
    answer: (response, note) => {
      for (const event of ["pipe", "unpipe", "prefinish", "finish", "close"]) {
        response.on(event, () => note(event));
      }
      finished(response, (error) => note("finished", error === undefined ? "well" : codeOf(error)));
      Readable.from(["one ", "two"]).pipe(text(response));
    },
  },
  "the end is heard": {
    answer: async (response, note) => {
      const done = once(response, "finish");
      text(response).end("text");
      await done;
      note("after", { ended: response.writableEnded, finished: response.writableFinished });
    },
  },
  "nothing is left behind by a pipe": {
    answer: async (response, note) => {
      const source = Readable.from(Array.from({ length: 50 }, () => LINE.repeat(30)));
      source.pipe(text(response));
      await once(source, "end");
      note("drain", response.listenerCount("drain"));
    },
  },
};

/** Those that Express has. */
export const EXPRESS_WAYS: Record<string, Way> = {
  send: { answer: (response) => void (response as Response).send(LINE.repeat(40)) },
  "send that is fresh": {
    headers: { "if-none-match": "*" },
    answer: (response) => void (response as Response).send("text"),
  },
  json: { answer: (response) => void (response as Response).json({ a: LINE.repeat(40) }) },
  sendStatus: { answer: (response) => void (response as Response).sendStatus(404) },
  redirect: { answer: (response) => void (response as Response).redirect("/n") },
  sendFile: {
    answer: (response, note) => {
      (response as Response).sendFile(SMALL, (error) => note("sent", error === undefined));
    },
  },
  "sendFile of a large file": {
    answer: (response, note) => {
      (response as Response).sendFile(LARGE, (error) => note("sent", error === undefined));
    },
  },
  "sendFile of a part": {
    headers: { range: "bytes=10-99" },
    answer: (response) => (response as Response).sendFile(LARGE),
  },
  download: { answer: (response) => (response as Response).download(SMALL) },
  "an error": {
    answer: () => {
      throw Object.assign(new Error("broken"), {
        status: 418,
        headers: { "X-Broken": "1" },
        stack: "broken",
      });
    },
  },
  "an error after a write": {
    isCut: true,
    answer: (response) => {
      text(response).write("one ");
      throw new Error("broken");
    },
  },
};

/** What has to leave at once: a stream that goes on is flushed by hand, as where something packs it. */
export const FLUSHED: Way = {
  answer: async (response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: one\n\n");
    (response as ServerResponse & { flush?: () => void }).flush?.();
  },
};
