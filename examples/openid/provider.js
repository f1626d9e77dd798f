import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

/**
 * A provider for trying the application out: it asks for no password. Real ones are services of others, or programs such
 * as Keycloak.
 */
export async function createProvider({ issuer, origin, client, accounts, key }) {
  const signing =
    key ?? (await exportJWK((await generateKeyPair("RS256", { extractable: true })).privateKey));
  const provider = new Provider(issuer, {
    clients: [
      {
        redirect_uris: [`${origin}/openid/callback`],
        post_logout_redirect_uris: [`${origin}/`],
        backchannel_logout_uri: `${origin}/openid/backchannel-logout`,
        backchannel_logout_session_required: true,
        require_auth_time: true,
        ...client,
      },
    ],
    jwks: { keys: [{ alg: "RS256", use: "sig", ...signing }] },
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    pkce: { required: () => true },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 600,
      Interaction: 600,
      Session: 86_400,
    },
    acrValues: ["urn:example:two-factors"],
    claims: { openid: ["sub"], email: ["email", "email_verified"] },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: askForLogout },
    },
    // Everything runs on one machine, whose addresses it does not call by itself.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: grantAll,
    renderError: (context, { error }) => {
      context.type = "html";
      context.body = `<p>${error}`;
    },
  });
  const answer = provider.callback();
  const listener = (request, response) =>
    request.url.startsWith("/interaction/") ? interact(request, response) : answer(request, response);

  async function interact(request, response) {
    try {
      const { params } = await provider.interactionDetails(request, response);
      if (request.method !== "POST") {
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        return response.end(signInPage(Object.keys(accounts), params));
      }
      let body = "";
      for await (const chunk of request) body += chunk;
      const fields = new URLSearchParams(body);
      const login = {
        accountId: fields.get("account"),
        ...(fields.has("code") ? { acr: "urn:example:two-factors" } : {}),
      };
      const result = fields.has("cancel") ? { error: "access_denied" } : { login };
      await provider.interactionFinished(request, response, result);
    } catch (error) {
      response.statusCode = 400;
      response.end(error.name);
    }
  }

  return { provider, listener };
}

/** Its own application needs no consent. */
async function grantAll({ oidc }) {
  const { client, account, provider, params } = oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

function askForLogout(context, form) {
  context.body = `<!doctype html><title>Example ID</title><h1>Sign out of Example ID?</h1>${form}
<button form="op.logoutForm" name="logout" value="yes">Yes</button> <button form="op.logoutForm">No</button>`;
}

const signInPage = (accounts, params) => `<!doctype html><title>Example ID</title><h1>Example ID</h1>
<form method="post">
<select name="account" aria-label="Account">${accounts.map((name) => `<option>${name}</option>`).join("")}</select>
${params.acr_values ? '<label><input type="checkbox" name="code" checked> With a second factor</label>' : ""}
<button>Sign in</button> <button name="cancel">Cancel</button>
</form>`;
