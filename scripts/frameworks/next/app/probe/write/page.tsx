import type { Session } from "psession";
import { getSession } from "../../../lib/sessions";

/** Tries what the types forbid. */
export default async function Write() {
  const session = (await getSession()) as unknown as Session;
  const tried: [string, () => unknown][] = [
    ["set", () => session.set("cart", ["tea"])],
    ["login", () => session.login(1)],
    ["flash", () => session.flash.set("notice", "lost")],
    ["temp", () => session.temp.set("code", 1, "5m")],
    ["data", () => Object.assign(session.data, { cart: ["tea"] })],
  ];
  const results = tried.map(([name, work]) => {
    try {
      work();
      return `${name}: nothing was thrown`;
    } catch (error) {
      return `${name}: ${error}`;
    }
  });
  return <pre>{results.join("\n")}</pre>;
}
