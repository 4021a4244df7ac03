import type { Dice } from '../support/dice.js';

/** Stands in a 101 for the answer to the key, which is not known before. As long as one. */
export const ACCEPT = 'ACCEPT-ACCEPT-ACCEPT-ACCEPT-';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** The line of a request that offers protocol 2. */
export const OFFER = `Npws-Protocol: 2 ${KEY}`;

/** Lines that offer it too, however odd. */
const ODD_OFFERS = [`npws-protocol: 2 ${KEY}`, `NPWS-PROTOCOL:2 ${KEY}\t `] as const;

/** Lines that offer nothing, however close they come. */
const NO_OFFERS = [
  'Npws-Protocol: 2 AAAAAAAAAAAAAAAAAAAAAA==',
  `Npws-Protocol: 1 ${KEY}`,
  `Npws-Protocol: 2  ${KEY}`,
  `Npws-Protocol: 2${KEY}`,
  'Npws-Protocol: 2',
  `Npws-Protocol: ${KEY}`,
  `Npws-Protocol: 2 ${KEY}\r\nNpws-Protocol: 2 ${KEY}`,
  `Npws-Protocols: 2 ${KEY}`,
] as const;

export function drawOffer(dice: Dice): string {
  return dice.percent(80) ? OFFER : dice.pick(ODD_OFFERS);
}

export function drawNoOffer(dice: Dice): string | null {
  return dice.percent(50) ? null : dice.pick(NO_OFFERS);
}

/** Whether a request offers protocol 2: with one line that bears the very key of another. */
export function isOffering(head: string): boolean {
  const valuesOf = (name: string): string[] =>
    [...head.matchAll(new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*\r?$`, 'gim'))].map(([, value = '']) => value);
  const [key, ...otherKeys] = valuesOf('sec-websocket-key');
  const [offer, ...otherOffers] = valuesOf('npws-protocol');
  return otherKeys.length + otherOffers.length === 0 && key !== undefined && offer === `2 ${key}`;
}

/** A request for the upgrade, which is a wrong one in so many of 100 cases, and the status that it deserves. */
export function requestOf(dice: Dice, offer: string | null, wrong = 20): [Buffer, number] {
  const lines = [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
    ...(offer === null ? [] : [offer]),
  ];
  let status = 101;
  const change = (line: number, text: string, answer: number): void => {
    lines[line] = text;
    status = answer;
  };
  if (dice.percent(wrong)) {
    dice.pick([
      () => { change(0, 'POST / HTTP/1.1', 405); },
      () => { change(0, 'CONNECT a:1 HTTP/1.1', 405); },
      () => { change(0, `GET /${'x'.repeat(20_000)} HTTP/1.1`, 431); },
      () => { change(0, '\x16\x03\x01\x02', 400); },
      () => { change(2, 'Connection: close', 426); },
      () => { change(3, 'Upgrade: h2c', 426); },
      () => { change(4, 'Sec-WebSocket-Version: 8', 400); },
      () => { change(5, 'Sec-WebSocket-Key: x', 400); },
      () => { change(1, 'Origin: https://evil.example\r\nHost: x', 403); },
      () => { change(1, 'no colon', 400); },
      () => { change(1, 'Content-Length: 1\r\nContent-Length: 2', 400); },
      () => { change(1, 'Content-Length: 1\r\nTransfer-Encoding: chunked', 400); },
      () => { change(1, `X: ${'x'.repeat(17_000)}`, 431); },
      () => { change(1, `Host: x${'\r\nX: y'.repeat(2_000)}`, 101); },
      () => { change(1, 'Host: x\r\n__proto__: y\r\nconstructor: z', 101); },
      () => { change(1, 'Host: x\r\nContent-Length: 9', 400); },
      () => { change(1, 'Host: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a', 101); },
    ])(); // prettier-ignore
  }
  return [Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), status];
}

/** An answer to a request, and 101 if it is a proper one, else 0. A prompt one has no other before it. */
export function responseOf(dice: Dice, isPrompt: boolean, wrong = 20): [Buffer, number] {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${ACCEPT}`,
  ];
  let status = 101; // prettier-ignore
  const change = (line: number, text: string): void => {
    lines[line] = text;
    status = 0;
  };
  if (dice.percent(wrong)) {
    dice.pick([
      () => { change(0, 'HTTP/1.1 503 Service Unavailable'); },
      () => { change(0, 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/'); },
      () => { change(0, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked'); },
      () => { change(0, 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999'); },
      () => { change(0, 'HTTP/9.9 101 Switching Protocols'); },
      () => { change(0, 'SSH-2.0-OpenSSH_9.9'); },
      () => { change(1, 'Upgrade: h2c'); },
      () => { change(1, 'X: y'); },
      () => { change(2, `Connection: Upgrade\r\nX: ${'x'.repeat(20_000)}`); },
      () => { change(2, 'Connection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate'); },
      () => { change(2, 'Connection: Upgrade\r\nSec-WebSocket-Protocol: chat'); },
      () => { change(3, 'Sec-WebSocket-Accept: wrong'); },
      () => { change(3, 'X: y'); },
    ])(); // prettier-ignore
  }
  const prefix = !isPrompt && dice.percent(3) ? 'HTTP/1.1 100 Continue\r\n\r\n' : '';
  return [Buffer.from(`${prefix}${lines.join('\r\n')}\r\n\r\n`, 'latin1'), status];
}
