import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { selfSigned } from "../../examples/demo/certificate.ts";
import { openTls } from "../../examples/demo/tls.ts";
import { startDemo } from "../support/demo.ts";
import { ROOT } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";

const DAY = 86_400_000;

test("the demo makes its certificate once, for its owner alone, and another when that is about to run out", () => {
  const dir = temporaryFolder();
  const first = openTls(dir);
  expect(openTls(dir)).toEqual(first);
  const certificate = new X509Certificate(first.cert);
  expect(certificate.checkHost("localhost")).toBe("localhost");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  const days = (first.until.getTime() - Date.now()) / DAY;
  expect(Math.round(days)).toBe(397);
  for (const name of ["certificate.pem", "certificate-key.pem"])
    expect([name, statSync(join(dir, name)).mode & 0o077]).toEqual([name, 0]);

  const old = selfSigned("localhost", 0.5);
  writeFileSync(join(dir, "certificate.pem"), old.cert);
  writeFileSync(join(dir, "certificate-key.pem"), old.key);
  const next = openTls(dir);
  expect(next.cert).not.toBe(old.cert);
  expect(next.pin).not.toBe(first.pin);
});

test("npm run demo:https serves over https, and says how to start a browser that binds sessions there", async () => {
  const dir = temporaryFolder();
  const main = join(ROOT, "examples/demo/main.ts");
  const env = { ...process.env, PSESSION_DEMO_DIR: dir, PORT: "0" };
  const child = spawn(process.execPath, [main, "--https"], { env });
  onTestFinished(() => void child.kill());
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (line.includes("certutil") || line.includes("add-trusted-cert")) break;
  }
  const said = lines.join("\n");
  const address = /^psession demo: (https:\/\/localhost:\d+)$/m.exec(said)?.[1] ?? "";
  const { cert, pin } = openTls(dir);
  expect(said).toContain(`--ignore-certificate-errors-spki-list=${pin}`);
  expect(said).toContain("EnableBoundSessionCredentialsSoftwareKeysForManualTesting");
  expect(said).toContain(`${address}/lab`);
  const body = await new Promise<string>((resolve, reject) => {
    get(`${address.replace("localhost", "127.0.0.1")}/lab`, { ca: cert, servername: "localhost" }, (answer) =>
      text(answer).then(resolve, reject),
    ).on("error", reject);
  });
  expect(body).toContain("Copied cookies die");
  const scripts = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts;
  expect(scripts["demo:https"]).toContain("examples/demo/main.ts --https");
});

test("over http the lab has no keys, and shows none", async () => {
  const demo = await startDemo();
  const { text: page } = await demo.client().get("/lab", { accept: "text/html" });
  expect(page).not.toMatch(/Short cookie|Copy long ones|Copied cookies die/);
});
