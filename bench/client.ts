/** A load on one address, in a process of its own: `host port connections milliseconds cookies-as-JSON`. */
import { connect } from "node:net";

const [port = "", connections = "", milliseconds = "", cookies = "[]"] = process.argv.slice(2);
const list = JSON.parse(cookies) as string[];
const latencies: number[] = [];
let isCounting = false;
let failed = 0;

/** One keep-alive connection that sends the next request when the answer is complete. */
function drive(index: number): void {
  const cookie = list[index % list.length] ?? "";
  const request = `GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`;
  const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
  let received = "";
  let sentAt = 0;
  const send = () => {
    sentAt = performance.now();
    socket.write(request);
  };
  socket.setEncoding("latin1");
  socket.on("connect", send);
  socket.on("data", (chunk: string) => {
    received += chunk;
    const head = received.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
    if (received.length < head + 4 + length) return;
    if (!received.startsWith("HTTP/1.1 200")) failed++;
    if (isCounting) latencies.push(performance.now() - sentAt);
    received = "";
    send();
  });
  socket.on("error", () => failed++);
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
