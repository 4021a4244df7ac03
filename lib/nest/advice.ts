import { NpwsDialError, type NpwsError, NpwsHandshakeError } from '../core/errors.js';

/** What to do about a dial that failed with Node's or OpenSSL's code. */
const BY_CODE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^ECONNREFUSED$/, 'Nothing listens there: is the server up, and the port right?'],
  [/^(ENOTFOUND|EAI_)/, 'The name is not known: check the host in `address`.'],
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
    /ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE)$/,
    'The server asks for a certificate that it trusts: pass `tls.cert` and `tls.key`.',
  ],
  [
    /WRONG_VERSION_NUMBER|EPROTO/,
    'The server speaks no TLS, or an older version: see tlsMode and `tls.minVersion`.',
  ],
];

/** What to do about a dial whose cause has no code to tell it by. */
const NO_ANSWER =
  'No answer in time: check the route, the firewall, and whether the server speaks TLS as tlsMode says.';

/** What to do about a refusal by HTTP status. */
const BY_STATUS: Readonly<Record<number, string>> = {
  403: 'The server does not let this address in: see its `clientIP`.',
  404: 'The server serves another `path`.',
  429: 'This address has as many connections as the server allows: see its `maxPerAddress`.',
  503: "The server pool is full or shutting down (or a proxy finds none): raise its `maxCapacity`, or lower the client's.",
};

/** A hint for the first failed dial of an outage, or an empty string. */
export function adviceFor(error: NpwsError): string {
  if (error instanceof NpwsHandshakeError && error.status !== null) {
    return BY_STATUS[error.status] ?? 'Is this an NPWS server?';
  }
  if (error instanceof NpwsDialError && error.cause === undefined) return NO_ANSWER;
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return BY_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? '';
}
