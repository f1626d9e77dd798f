import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import * as client from "openid-client";

/** The algorithm that the provider signs with for this client: no token chooses its own. */
const ALGORITHM = "RS256";
const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** A provider of OpenID Connect. What its answers say is passed on only after they were checked. */
export class OpenidProvider {
  /** Its ID tokens say when the user has signed in there, so it can be asked to confirm who the user is. */
  canConfirm = true;
  #options;
  #configuration;
  #keys;

  /** `plainHttp` is for trying it out on one machine. */
  constructor({ issuer, clientId, clientSecret, origin, responseMode = "query", plainHttp = false }) {
    this.#options = { issuer, clientId, clientSecret, origin, responseMode, plainHttp };
  }

  get issuer() {
    return this.#options.issuer;
  }

  get #redirectUri() {
    return `${this.#options.origin}/openid/callback`;
  }

  /** Where to send the browser, and what its answer has to fit. */
  async begin(state, parameters) {
    const verifier = client.randomPKCECodeVerifier();
    const nonce = client.randomNonce();
    const url = client.buildAuthorizationUrl(await this.#configured(), {
      scope: "openid email",
      redirect_uri: this.#redirectUri,
      response_mode: this.#options.responseMode,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
      ...parameters,
    });
    return { url: url.href, expected: { verifier, nonce, maxAge: parameters.max_age } };
  }

  /**
   * Exchanges the code, and checks the ID token: signature, issuer, audience, times, nonce, and age of the authentication
   * if one was asked for. Throws if anything does not fit.
   */
  async finish(answer, state, { verifier, nonce, maxAge }) {
    const url = new URL(this.#redirectUri);
    url.search = answer;
    const tokens = await client.authorizationCodeGrant(await this.#configured(), url, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      ...(maxAge === undefined ? {} : { maxAge: Number(maxAge) }),
    });
    const { iss, sub, sid, iat, auth_time, acr } = tokens.claims();
    return {
      issuer: iss,
      subject: sub,
      sid: typeof sid === "string" ? sid : null,
      // Seconds by the provider's clock, to be compared with its logouts.
      establishedAt: auth_time ?? iat,
      // Milliseconds; 0 if the provider does not say when the user has signed in: that is not fresh.
      authenticatedAt: (auth_time ?? 0) * 1000,
      acr,
      idToken: tokens.id_token,
      accessToken: tokens.access_token,
    };
  }

  /** The address counts only if the provider has verified that it is the user's. */
  async verifiedEmail({ accessToken, subject }) {
    const info = await client.fetchUserInfo(await this.#configured(), accessToken, subject);
    return info.email_verified === true && info.email ? info.email.toLowerCase() : undefined;
  }

  /** Where the user ends the session at the provider as well; undefined if it has no such address. */
  async logoutUrl(idToken) {
    const configuration = await this.#configured();
    if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
    return client.buildEndSessionUrl(configuration, {
      id_token_hint: idToken,
      post_logout_redirect_uri: `${this.#options.origin}/`,
    }).href;
  }

  /** What a logout token says, checked by section 2.6 of OpenID Connect Back-Channel Logout; undefined if it is not valid. */
  async logoutOf(token) {
    const { issuer, jwks_uri } = (await this.#configured()).serverMetadata();
    this.#keys ??= createRemoteJWKSet(new URL(jwks_uri));
    const checks = {
      issuer,
      audience: this.#options.clientId,
      algorithms: [ALGORITHM],
      typ: "logout+jwt", // ASVS 10.5.5: an ID token is no logout token
      requiredClaims: ["exp", "jti"],
      maxTokenAge: "2m",
      clockTolerance: "30s",
    };
    const payload = await jwtVerify(token, this.#keys, checks).then(
      (result) => result.payload,
      invalidOrThrow,
    );
    const { jti, sid = null, sub: subject = null, iat, events, nonce } = payload ?? {};
    const isText = (value) => typeof value === "string" && value !== "";
    const isValid =
      isText(jti) &&
      [sid, subject].every((value) => value === null || isText(value)) &&
      (sid !== null || subject !== null) &&
      isObject(events) &&
      isObject(events[LOGOUT_EVENT]) &&
      nonce === undefined; // what has one was made for another purpose
    return isValid ? { issuer, jti, sid, subject, at: iat } : undefined;
  }

  /** Discovered at the first use, and again after a failure: the application also starts while the provider is down. */
  #configured() {
    const { issuer, clientId, clientSecret, plainHttp } = this.#options;
    this.#configuration ??= client
      .discovery(
        new URL(issuer),
        clientId,
        { id_token_signed_response_alg: ALGORITHM },
        client.ClientSecretBasic(clientSecret),
        { timeout: 10, execute: plainHttp ? [client.allowInsecureRequests] : [] },
      )
      .catch((error) => {
        this.#configuration = undefined;
        throw error;
      });
    return this.#configuration;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** A token that is not valid gives nothing. If the keys cannot be fetched, the provider should try again. */
function invalidOrThrow(error) {
  if (!(error instanceof errors.JOSEError) || UNREACHABLE.has(error.code)) throw error;
}
const UNREACHABLE = new Set([errors.JOSEError.code, errors.JWKSTimeout.code, errors.JWKSInvalid.code]);
