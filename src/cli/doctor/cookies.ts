import type { Settings } from "../../options/settings.ts";
import type { Deployment } from "../config.ts";
import { error, type Finding, note, warning } from "./finding.ts";
import { cookiesOf } from "./settings.ts";

export function cookieFindings(settings: Settings, { production, url }: Deployment): Finding[] {
  const { session, remember } = settings.cookies;
  const names = `${session.name} and ${remember.name}`;
  if (!session.secure) {
    // An address that others can reach serves users, whatever `production` says.
    const isPublic = url !== undefined && !isLoopback(new URL(url).hostname);
    const severity = production === true || isPublic ? error : production === false ? note : warning;
    return [
      severity(
        "cookies_insecure",
        `${names} travel over plain http (dangerouslyAllowInsecureHttp): anyone on the way can read and use them.`,
        production === false && !isPublic
          ? "Right for http://localhost, and nowhere else."
          : "Leave the option out where users are. Behind a proxy that speaks https, trust the proxy instead.",
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const { name } of cookiesOf(settings)) {
    if (/^__(Host|Secure)-/.test(name)) continue;
    findings.push(
      warning(
        "cookie_unprefixed",
        `The name ${name} has no prefix: any subdomain, and any attacker on a plain http connection, can set a cookie of this name; a visitor with two valid ones counts as signed out.`,
        `Call it __Host-${name}, or __Secure-${name} with a domain; or leave the name to psession.`,
      ),
    );
  }
  if (session.domain !== undefined) {
    findings.push(
      note(
        "cookies_domain_wide",
        `${names} go to every host below ${session.domain}, and each of them can set them.`,
        "Leave cookies.domain out unless several hosts share the sign-in.",
      ),
    );
  }
  if (url?.startsWith("http://") && production === true) {
    findings.push(
      error(
        "url_is_http",
        "The address of the application is plain http: browsers send Secure cookies to https only, so no user stays signed in.",
        "Serve it over https.",
      ),
    );
  }
  return findings;
}

const isLoopback = (host: string): boolean =>
  /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);
