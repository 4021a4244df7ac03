import { reasonOf } from './tls-reason.js';

/** What to do about a dial that failed with Node's or OpenSSL's code. */
const BY_CODE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^ECONNREFUSED$/, 'Nothing listens there: is the server up, and the port right?'],
  [/^ENOTFOUND$/, 'The name is not known: check the host in `address`.'],
  [/^EAI_/, 'The name server does not answer: check the host in `address`, and the network.'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'No way there: check the route and the firewall.'],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    "The certificate's issuer is not known: pass it in `tls.ca`; tlsMode 'self-signed' is for tests.",
  ],
  [/^CERT_HAS_EXPIRED$/, "Renew the server's certificate."],
  [/^CERT_NOT_YET_VALID$/, "The server's certificate is not valid yet: check both clocks."],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'The certificate is for another host: check `address`, or set `tls.servername`.',
  ],
  [/^ERR_NPWS_PIN$/, 'If the server has a new key, add it to `pin`; if not, somebody stands in between.'],
  [
    /^ECONNRESET$/,
    'The other side hung up: is it being restarted? Else: is it an NPWS server, and does it speak TLS as tlsMode says? One that asks for certificates hangs up on those that it does not trust.',
  ],
  [/^E[MN]FILE$/, 'Too many open files: raise the limit (ulimit -n).'],
  [
    /ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE)$/,
    'The server asks for a certificate that it trusts: pass `tls.cert` and `tls.key`.',
  ],
  [/ALERT_HANDSHAKE_FAILURE$/, 'No cipher in common: compare `tls.ciphers` of both ends.'],
  [/ALERT_PROTOCOL_VERSION$/, 'No version of TLS in common: compare `tls.minVersion` of both ends.'],
  [
    /WRONG_VERSION_NUMBER|EPROTO/,
    'The server speaks no TLS, or an older version: see tlsMode and `tls.minVersion`.',
  ],
];

/** What to do about a dial that ran out of time. */
export const NO_ANSWER =
  'No answer in time: check the route, the firewall, and whether the server speaks TLS as tlsMode says.';

/** What to do about somebody who answers as no NPWS server does. */
export const NO_PEER = 'Is this an NPWS server?';

const REDIRECT = 'Redirects are not followed: put the target into `address` and `path`.';
const NO_BACKEND = 'A proxy finds no server pool: is it up?';

/** What to do about a refusal by HTTP status. */
const BY_STATUS: Readonly<Record<number, string>> = {
  401: 'It wants to know who asks: see `headers`.',
  403: 'The server (or a proxy) does not let this address in: see its `clientIP`, and `allowedOrigins`.',
  404: 'The server serves another `path`.',
  407: 'A proxy wants to know who asks: see `headers`.',
  429: 'This address has as many connections as the server allows: see its `maxPerAddress`.',
  502: NO_BACKEND,
  503: "The server pool is full or shutting down (or a proxy finds none): raise its `maxCapacity`, or lower the client's.",
  504: NO_BACKEND,
};

/** What to do about a listener that failed with Node's code. */
const BY_LISTEN_CODE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Choose another port, or stop what listens there.',
  EACCES: 'This user may not listen there: ports below 1024 are reserved.',
  EADDRNOTAVAIL: 'This machine has no such address: check `listen.host`.',
  ENOTFOUND: 'The name is not known: check `listen.host`.',
  EMFILE: 'Too many open files: raise the limit (ulimit -n).',
};

/** What to look at when a dial failed because of `cause`; empty when there is nothing to say. */
export function adviceOnDial(cause: Error): string {
  return BY_CODE.find(([pattern]) => pattern.test(codeOf(cause)))?.[1] ?? '';
}

/** What to look at when a server answered with this status instead of 101. */
export function adviceOnStatus(status: number): string {
  const isRedirect = status >= 300 && status < 400;
  return BY_STATUS[status] ?? (isRedirect ? REDIRECT : NO_PEER);
}

/** What to look at when a pool can't listen because of `cause`; empty when there is nothing to say. */
export function adviceOnListen(cause: Error): string {
  return BY_LISTEN_CODE[codeOf(cause)] ?? '';
}

/** Two sentences as one text; either may be empty. A sentence ends with a full stop. */
export function sentences(what: string, advice: string): string {
  return advice === '' ? what : `${what}. ${advice}`;
}

/** Node's code. It says EPROTO of much that OpenSSL has names for. */
function codeOf(cause: NodeJS.ErrnoException): string {
  const { code = '' } = cause;
  return code === 'EPROTO' ? `EPROTO ${reasonOf(cause)}`.toUpperCase().replaceAll(' ', '_') : code;
}
