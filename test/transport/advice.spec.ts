import { describe, expect, it } from '@jest/globals';
import {
  adviceOnDial,
  adviceOnListen,
  adviceOnStatus,
  NO_ANSWER,
  sentences,
} from '../../lib/transport/advice.js';

function errorOf(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe('the advice on a failed dial', () => {
  it.each([
    ['ECONNREFUSED', /is the server up, and the port right/],
    ['ENOTFOUND', /check the host in `address`/],
    ['EAI_AGAIN', /name server/],
    ['ETIMEDOUT', /route and the firewall/],
    ['EHOSTUNREACH', /route and the firewall/],
    ['ENETUNREACH', /route and the firewall/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /pass it in `tls.ca`/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /pass it in `tls.ca`/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /pass it in `tls.ca`/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /pass it in `tls.ca`/],
    ['CERT_HAS_EXPIRED', /Renew/],
    ['CERT_NOT_YET_VALID', /clocks/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /`tls.servername`/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /tlsMode and `tls.minVersion`/],
    ['ERR_NPWS_PIN', /add it to `pin`/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /`tls.cert` and `tls.key`/],
    ['ECONNRESET', /is it an NPWS server/],
    ['EMFILE', /ulimit/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /`tls.minVersion` of both/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', /`tls.ciphers`/],
    ['EPROTO', /tlsMode and `tls.minVersion`/],
  ])('of %s says what to look at', (code, advice) => {
    expect(adviceOnDial(errorOf(code))).toMatch(advice);
  });

  it.each([
    [403, /`clientIP`/],
    [404, /`path`/],
    [429, /`maxPerAddress`/],
    [401, /`headers`/],
    [407, /`headers`/],
    [502, /proxy/],
    [503, /`maxCapacity`/],
    [504, /proxy/],
    [200, /Is this an NPWS server/],
    [302, /Redirects are not followed/],
    [418, /Is this an NPWS server/],
  ])('of a refusal with %d says what to look at', (status, advice) => {
    expect(adviceOnStatus(status)).toMatch(advice);
  });

  it('on one that got no answer names what may stand in between', () => {
    expect(NO_ANSWER).toMatch(/firewall/);
  });

  it('tells apart what Node calls EPROTO', () => {
    const line = (reason: string): string =>
      `write EPROTO 40D7:error:0A00042E:SSL routines:read:${reason}:../a.c:1:`;
    expect(adviceOnDial(errorOf('EPROTO', line('tlsv1 alert protocol version')))).toMatch(
      /`tls.minVersion` of both/,
    );
    expect(adviceOnDial(errorOf('EPROTO', line('sslv3 alert handshake failure')))).toMatch(/`tls.ciphers`/);
    expect(adviceOnDial(errorOf('EPROTO', line('wrong version number')))).toMatch(/speaks no TLS/);
  });

  it('is silent when there is nothing to say', () => {
    expect(adviceOnDial(errorOf('EMYSTERY'))).toBe('');
    expect(sentences('what happened', '')).toBe('what happened');
  });
});

describe('the advice on a listener', () => {
  it.each([
    ['EADDRINUSE', /another port/],
    ['EACCES', /below 1024/],
    ['EADDRNOTAVAIL', /`listen.host`/],
    ['ENOTFOUND', /`listen.host`/],
    ['EMFILE', /ulimit/],
    ['EMYSTERY', /^$/],
  ])('that failed with %s says what to look at', (code, advice) => {
    expect(adviceOnListen(errorOf(code))).toMatch(advice);
  });
});
