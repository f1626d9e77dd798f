import * as client from "openid-client";

/** GitHub: OAuth 2.0 without OpenID Connect. Who the user is says an API, and nothing says when the user signed in. */
export class GithubProvider {
  canConfirm = false;
  #configuration;
  #redirectUri;
  #api;

  /** The addresses are for tests. */
  constructor({
    clientId,
    clientSecret,
    origin,
    site = "https://github.com",
    api = "https://api.github.com",
    plainHttp = false,
  }) {
    const server = {
      issuer: site,
      authorization_endpoint: `${site}/login/oauth/authorize`,
      token_endpoint: `${site}/login/oauth/access_token`,
    };
    this.#configuration = new client.Configuration(server, clientId, clientSecret);
    if (plainHttp) client.allowInsecureRequests(this.#configuration);
    this.#redirectUri = `${origin}/openid/callback`;
    this.#api = api;
  }

  /** The name under which identities are kept. */
  get issuer() {
    return this.#configuration.serverMetadata().issuer;
  }

  async begin(state) {
    const verifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(this.#configuration, {
      scope: "user:email",
      redirect_uri: this.#redirectUri,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
    });
    return { url: url.href, expected: { verifier } };
  }

  async finish(answer, state, { verifier }) {
    const url = new URL(this.#redirectUri);
    url.search = answer;
    const { access_token: accessToken } = await client.authorizationCodeGrant(this.#configuration, url, {
      expectedState: state,
      pkceCodeVerifier: verifier,
    });
    const { id } = await this.#get("/user", accessToken);
    if (!Number.isSafeInteger(id)) throw new TypeError("The user has no id.");
    return {
      issuer: this.issuer,
      subject: String(id), // never the login name or the address: users change them, and others get them
      sid: null,
      establishedAt: 0,
      authenticatedAt: 0, // nobody says when: never fresh
      idToken: null,
      accessToken,
    };
  }

  async verifiedEmail({ accessToken }) {
    const addresses = await this.#get("/user/emails", accessToken);
    return addresses.find(({ primary, verified }) => primary && verified)?.email.toLowerCase();
  }

  /** Nothing ends the session there. */
  async logoutUrl() {}

  async #get(path, accessToken) {
    const url = new URL(this.#api + path);
    const response = await client.fetchProtectedResource(this.#configuration, accessToken, url, "GET");
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }
}
