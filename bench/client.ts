/** A load on one address, in a process of its own: `host port connections milliseconds cookies-as-JSON`. */
import { connect } from "node:net";

const [port = "", connections = "", milliseconds = "", cookies = "[]"] = process.argv.slice(2);
const list = JSON.parse(cookies) as string[];
const latencies: number[] = [];
let isCounting = false;
let failed = 0;

/**
 * One keep-alive connection that sends the next request when the answer is complete. Its answers are all of one
 * length, so that counting bytes will do: what the client does takes time from the server.
 */
function drive(index: number): void {
  const cookie = list[index % list.length] ?? "";
  const request = Buffer.from(`GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`);
  const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
  let length = 0;
  let received = 0;
  let sentAt = 0;
  const send = () => {
    received = 0;
    sentAt = performance.now();
    socket.write(request);
  };
  socket.on("connect", send);
  socket.on("data", (chunk: Buffer) => {
    if (received === 0 && chunk[9] !== "2".charCodeAt(0)) failed++;
    received += chunk.length;
    if (length === 0) length = lengthOf(chunk);
    if (received < length) return;
    if (isCounting) latencies.push(performance.now() - sentAt);
    send();
  });
  socket.on("error", () => failed++);
}

/** Of a whole answer; the first one comes in one piece, as it is small. */
function lengthOf(answer: Buffer): number {
  const head = answer.indexOf("\r\n\r\n");
  const body = Number(/content-length: (\d+)/i.exec(answer.toString("latin1"))?.[1]);
  return head + 4 + body;
}

for (let index = 0; index < Number(connections); index++) drive(index);
const warmUp = Math.min(1000, Number(milliseconds) / 2);
setTimeout(() => {
  isCounting = true;
  const started = performance.now();
  setTimeout(() => {
    const seconds = (performance.now() - started) / 1000;
    latencies.sort((a, b) => a - b);
    const at = (part: number) => latencies[Math.floor(latencies.length * part)] ?? 0;
    console.log(JSON.stringify({ rate: latencies.length / seconds, p50: at(0.5), p99: at(0.99), failed }));
    process.exit();
  }, Number(milliseconds));
}, warmUp);
