// A certified OpenID provider, for the ways in which a client can authenticate
// itself. It prints its issuer, and ends when its standard input does.
//
// CLIENT_KEYS are files of private keys, separated by colons: the client "jwt"
// has the first of them, "jwt2" the second, and so on.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

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

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...own, use: 'sig', alg: 'RS256' }] },
    scopes: ['openid', 'api:read'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'ES256', 'ES384', 'EdDSA'] },
    clients: [
      { ...common, client_id: 'basic', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
      { ...common, client_id: 'post', client_secret: secret, token_endpoint_auth_method: 'client_secret_post' },
      ...keys,
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.example',
        getResourceServerInfo: () => ({ scope: 'api:read', audience: 'https://api.example', accessTokenFormat: 'jwt', accessTokenTTL: 600 }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit(0));
