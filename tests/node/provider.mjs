// A real provider of identities (OpenID Certified): node provider.mjs PORT REDIRECT_URI
// Its own forms ask for a name, and whoever types one has the address NAME@example.org there.
import { Provider } from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: "digest",
    client_secret: "a secret of the house",
    redirect_uris: [redirect],
    response_types: ["code"],
    grant_types: ["authorization_code"],
  }],
  pkce: { required: () => true },
  claims: { email: ["email", "email_verified"], profile: ["name"], openid: ["sub", "groups"] },
  cookies: { keys: ["only for a test"] },
  async findAccount(_context, sub) {
    return {
      accountId: sub,
      claims: async () => ({
        sub,
        email: `${sub}@example.org`,
        email_verified: sub !== "unproved",
        name: sub,
        groups: sub === "chief" ? ["chiefs"] : [],
      }),
    };
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log(issuer));
