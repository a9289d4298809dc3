// A certified OpenID provider on loopback, for the tests alone: `node provider.mjs`, with its configuration on
// standard input as one JSON object. Writes "ready" once it listens; ends when standard input does.
//
//   port, issuer      where it listens, and what it calls itself (a forwarder may stand before it)
//   jwks              its signing keys, private parts included: the tests sign with them too
//   clients           as oidc-provider takes them
//   accounts          by login name: the claims of each
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const lines = createInterface({ input: process.stdin });
const { port, issuer, jwks, clients, accounts } = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);

const provider = new Provider(issuer, {
  jwks,
  clients,
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name", "given_name", "family_name", "preferred_username", "groups"],
  },
  scopes: ["openid", "email", "profile"],
  pkce: { required: () => true },
  cookies: { keys: ["for the tests"] },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
  ttl: { Session: 3600, Grant: 3600, Interaction: 3600, IdToken: 3600, AccessToken: 3600, AuthorizationCode: 60 },
  findAccount: (_context, id) => {
    const account = Object.entries(accounts).find(([, claims]) => claims.sub === id);
    return account && { accountId: id, claims: () => account[1] };
  },
});

// The provider's own pages: a form for the name, without a password, and consent without a question.
async function interaction(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "consent") {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }
  if (request.method !== "POST") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    return response.end(`<!doctype html><html lang="en"><title>Company sign-in</title><h1>Company sign-in</h1>
      <form method="post"><label>Name <input name="name" autofocus></label><button>Continue</button>
      <button name="cancel" value="1">Cancel</button></form></html>`);
  }
  let body = "";
  for await (const piece of request) body += piece;
  const form = new URLSearchParams(body);
  if (form.has("cancel")) return provider.interactionFinished(request, response, { error: "access_denied" });
  const account = accounts[form.get("name")];
  if (!account) return response.writeHead(422).end("Nobody here is called that.");
  return provider.interactionFinished(request, response, { login: { accountId: account.sub } });
}

const answer = provider.callback();
createServer((request, response) => {
  const asked = request.url.startsWith("/interaction/") ? interaction(request, response) : answer(request, response);
  asked?.catch?.((error) => response.writeHead(500).end(String(error)));
}).listen(port, "127.0.0.1", () => console.log("ready"));
lines.on("close", () => process.exit(0));
