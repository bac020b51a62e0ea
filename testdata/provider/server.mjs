// A certified OpenID provider, for the ways in which a client can authenticate
// itself, and for the logins of persons. It prints its issuer, and ends when its
// standard input does.
//
// CLIENT_KEYS are files of private keys, separated by colons: the client "jwt"
// has the first of them, "jwt2" the second, and so on.
//
// A person is whoever says so, with any password. The clients for them are "desk",
// a public one on any loopback port, "web", one with a secret on any loopback port,
// and "fixed", the same on the port REDIRECT_PORT. Each gets a refresh token
// whether or not it asks for offline_access, which oidc-provider drops from a
// scope unless the request has prompt=consent.
//
// TOKEN_LIFE is how many seconds tokens live, DEVICE_INTERVAL how many a device is
// told to wait between its questions, TLS_CERT and TLS_KEY are files that make the
// issuer an https one, and EVENTS is a file that gets a line for each event.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTLSServer } from 'node:https';
import Provider from 'oidc-provider';

console.info = console.error; // the issuer is all that a test reads

const secret = 'CANARY-certified+secret/with:signs';
const common = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'api:read' };
const algorithm = { rsa: () => 'RS256', ec: (k) => (k.crv === 'P-384' ? 'ES384' : 'ES256'), ed25519: () => 'EdDSA' };
const keys = (process.env.CLIENT_KEYS ?? '').split(':').filter(Boolean).map((file, i) => {
  const key = createPublicKey(createPrivateKey(readFileSync(file)));
  const jwk = key.export({ format: 'jwk' });
  const alg = algorithm[key.asymmetricKeyType](jwk);
  return { ...common, client_id: `jwt${i || ''}`, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: { keys: [{ ...jwk, alg, use: 'sig' }] } };
});
const own = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

// The clients of persons. A native one may use any port of the loopback (RFC 8252,
// section 7.3), any other only what is written here.
const loopbacks = (port) => ['127.0.0.1', 'localhost', '[::1]'].map((host) => `http://${host}${port}/callback`);
const person = {
  application_type: 'native', redirect_uris: loopbacks(''), response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  scope: 'openid profile email offline_access api:read',
};
const confidential = { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' };
const life = Number(process.env.TOKEN_LIFE ?? 600);

function happened(...words) {
  if (process.env.EVENTS) appendFileSync(process.env.EVENTS, `${words.join(' ')}\n`);
}

// What a request to each of the provider's routes is told as, once it is answered.
const told = {
  authorization: (ctx) => ctx.method === 'GET' && ['authorization'],
  submit: ({ oidc: { body } }) => (body?.prompt === 'login' ? ['login', body.login] : ['consent']),
  abort: () => ['denied'],
  device_authorization: (ctx) => ctx.status === 200 && ['device'],
  token: (ctx) => ['token', ctx.oidc.params?.grant_type ?? '-', ctx.status],
  userinfo: (ctx) => ['userinfo', ctx.status],
  introspection: (ctx) => ['introspection', ctx.status],
  revocation: (ctx) => ['revocation', ctx.status],
};

const { TLS_CERT: cert, TLS_KEY: key } = process.env;
const server = cert ? createTLSServer({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http${cert ? 's' : ''}://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...own, use: 'sig', alg: 'RS256' }] },
    scopes: ['openid', 'profile', 'email', 'offline_access', 'api:read'],
    // All that a cluster may want is in the ID token, whatever the scope.
    claims: { openid: ['sub', 'email', 'email_verified', 'groups'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: false,
    findAccount: (ctx, name) => ({
      accountId: name,
      claims: () => ({ sub: name, name, preferred_username: name, email: `${name}@example.com`, email_verified: true, groups: ['dev'] }),
    }),
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'ES256', 'ES384', 'EdDSA'] },
    clients: [
      { ...common, client_id: 'basic', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
      { ...common, client_id: 'post', client_secret: secret, token_endpoint_auth_method: 'client_secret_post' },
      ...keys,
      { ...person, client_id: 'desk', token_endpoint_auth_method: 'none' },
      { ...person, ...confidential, client_id: 'web' },
      { ...person, ...confidential, client_id: 'fixed', application_type: 'web', redirect_uris: loopbacks(`:${process.env.REDIRECT_PORT ?? 8765}`) },
    ],
    pkce: { required: () => true },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    rotateRefreshToken: true,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    ttl: {
      AccessToken: life, ClientCredentials: life, IdToken: life, RefreshToken: 86400, AuthorizationCode: 60, DeviceCode: 600, Interaction: 3600, Session: 86400, Grant: 86400,
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.example',
        getResourceServerInfo: () => ({ scope: 'api:read', audience: 'https://api.example', accessTokenFormat: 'jwt', accessTokenTTL: life }),
      },
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    const { route } = ctx.oidc ?? {};
    const words = told[route]?.(ctx);
    if (words) happened(...words);
    if (route === 'device_authorization' && ctx.status === 200 && process.env.DEVICE_INTERVAL) {
      ctx.body.interval = Number(process.env.DEVICE_INTERVAL);
    }
    // The pages are whole without a font from elsewhere, which a test must not
    // wait for.
    if (typeof ctx.body === 'string') ctx.body = ctx.body.replace(/@import url\(https:[^)]*\);/, '');
  });
  // A refresh token that is used a second time ends all that its grant gave.
  provider.on('grant.revoked', () => happened('revoked', 'grant'));
  provider.on('refresh_token.consumed', () => happened('consumed', 'refresh_token'));
  for (const kind of ['access_token', 'refresh_token']) provider.on(`${kind}.destroyed`, () => happened('revoked', kind));
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit(0));
