import ms from "ms";
import { type CookieDefinition, clearCookie, serializeCookie } from "../../http/cookies.ts";
import type { Settings } from "../../options/settings.ts";
import { error, type Finding, note, warning } from "./finding.ts";
import { attributesOf, type KeyAnswer, post, reasonFor } from "./key-requests.ts";

const HOUR = 3_600_000;

/** What the options say, and the address. */
export function boundFindings({ deviceBound }: Settings, url: string | undefined): Finding[] {
  if (deviceBound === undefined) return [];
  const findings: Finding[] = [];
  if (deviceBound.lifetime > HOUR) {
    findings.push(
      warning(
        "binding_lifetime_long",
        `deviceBound.lifetime is ${ms(deviceBound.lifetime)}: for so long a copy of all cookies is as good as the original.`,
        'Set it to "10m", or to what your users\' connections need.',
      ),
    );
  }
  if (url?.startsWith("http://")) {
    findings.push(
      warning(
        "binding_needs_https",
        `Browsers bind sessions over https only, and ${new URL(url).origin} is plain http: users sign in there as before, and copied cookies stay good.`,
        "Serve it over https, on localhost as well; or give doctor the https address.",
      ),
    );
  }
  return findings;
}

/**
 * Asks the endpoint of refreshes as a browser whose session is over. psession repeats the id that the browser names, and
 * takes the short cookie away: this shows whether the endpoint, the header and the cookie get through. Stores nothing.
 */
export async function boundProbeFindings(
  url: string,
  { deviceBound, cookies }: Settings,
  isRehearsed: boolean,
): Promise<Finding[]> {
  if (deviceBound === undefined || !url.startsWith("https:")) return [];
  const endpoint = `${new URL(url).origin}${deviceBound.path}/refresh`;
  const answer = await post(endpoint, cookies.bound, { "sec-secure-session-id": '"doctor"' });
  if (answer.status !== 200 || answer.body?.["continue"] !== false) return [unreachable(endpoint, answer)];
  const findings: Finding[] = [];
  if (answer.body["session_identifier"] !== "doctor") {
    findings.push(
      error(
        "binding_header_stripped",
        `Sec-Secure-Session-Id does not arrive at POST ${endpoint}: a browser that has signed in anew proves the key of its former session, and loses the new one. What takes this header away may take the others.`,
        PASS_ON,
      ),
    );
  }
  const changed = changedCookie(cookies.bound, answer.line, serializeCookie(clearCookie(cookies.bound)));
  if (changed !== undefined) findings.push(changed);
  if (!isRehearsed) {
    findings.push(
      note(
        "binding_not_seen",
        "Whether Secure-Session-Response and Secure-Session-Challenge get through, and whether the application knows its origin as browsers do, can only be seen with a session.",
        "Run doctor with --bind, which signs a made-up user in for some seconds.",
      ),
    );
  }
  return findings;
}

export const unreachable = (endpoint: string, answer: KeyAnswer): Finding =>
  error(
    "binding_unreachable",
    `POST ${endpoint} ${reasonFor(answer)}: browsers end the binding for good, or register no key, and say nothing.`,
    "Let the proxy pass POST requests and answers of these paths on as they are (deviceBound.path), without a redirect, a challenge page or an error page of its own; and put the sessions before the routes.",
  );

export const PASS_ON =
  "Let the proxy pass on Cookie and all headers that begin with Secure-Session- or Sec-Secure-Session-, both ways.";

/** What differs between the cookie that arrived and what the browser goes by; `told` is written as a Set-Cookie line. */
export function changedCookie(
  { name }: CookieDefinition,
  line: string | undefined,
  told: string,
): Finding | undefined {
  const [sent, arrived] = [attributesOf(told), attributesOf(line ?? "")];
  const lost = sent.filter((one) => !arrived.includes(one)).map((one) => `lacks ${one}`);
  const gained = arrived.filter((one) => !sent.includes(one)).map((one) => `has ${one}`);
  const changes = line === undefined ? ["it is missing"] : [...lost, ...gained];
  if (changes.length === 0) return undefined;
  return error(
    "binding_cookie_changed",
    `${name} arrives otherwise than the registration says (${changes.join(", ")}): to them the cookie of the binding is missing, so they register no key, or refresh before every request.`,
    "Let no proxy rewrite Set-Cookie, and run doctor with the configuration of the application.",
  );
}
