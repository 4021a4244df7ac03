import { describe, expect, it } from '@jest/globals';
import { clientOf } from '../../lib/transport/forwarded.js';
import { createIpFilter } from '../../lib/transport/ip-filter.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectRaw } from '../support/raw-peer.js';

const PROXIES = ['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48', 'fe80::/10'];
const CLIENT = '198.51.100.7';

describe('the client that X-Forwarded-For names', () => {
  it.each([
    // What a client writes itself stands on the left.
    [CLIENT, CLIENT],
    [`1.1.1.1, ${CLIENT}`, CLIENT],
    [`10.0.0.5, ${CLIENT}`, CLIENT],
    [`unknown, ${CLIENT}`, CLIENT],
    [`, ,${CLIENT}`, CLIENT],
    // Trusted proxies on the way are skipped.
    [`${CLIENT}, 10.0.0.5`, CLIENT],
    [`1.1.1.1, ${CLIENT}, 192.0.2.1, 10.255.0.1`, CLIENT],
    [`${CLIENT},10.0.0.5,10.0.0.6`, CLIENT],
    [`${CLIENT}, ::ffff:10.0.0.5`, CLIENT],
    [`${CLIENT}, ::FFFF:0A00:0005`, CLIENT],
    [`${CLIENT}, 2001:DB8:1::9`, CLIENT],
    [`${CLIENT}, FE80::1%eth0`, CLIENT],
    [`${CLIENT}, 192.0.2.2`, '192.0.2.2'],
    [`${CLIENT}, 2001:db8:2::9`, '2001:db8:2::9'],
    // All are proxies: the leftmost asked.
    ['10.0.0.5', '10.0.0.5'],
    ['10.0.0.5, 192.0.2.1', '10.0.0.5'],
    // Ports, brackets and spellings that proxies use.
    [`${CLIENT}:4711`, CLIENT],
    [`${CLIENT}, 10.0.0.5:80`, CLIENT],
    ['[2001:DB8:2::9]', '2001:db8:2::9'],
    ['[2001:db8:2::9]:4711', '2001:db8:2::9'],
    [`::ffff:${CLIENT}`, CLIENT],
    ['::ffff:c633:6407', CLIENT],
    [`\t${CLIENT}\t,\t10.0.0.5\t`, CLIENT],
    // Left of what is no address nothing can be believed.
    ['unknown', undefined],
    [`${CLIENT}, unknown`, undefined],
    [`${CLIENT}, _hidden, 10.0.0.5`, undefined],
    [`${CLIENT}, 10.0.0.999`, undefined],
    [`${CLIENT},`, undefined],
    [`${CLIENT} 10.0.0.5`, undefined],
    [`${CLIENT}, \u00a010.0.0.5`, undefined],
    ['', undefined],
    [`"${CLIENT}"`, undefined],
    ['[10.0.0.5', undefined],
    [`${CLIENT}:port`, undefined],
    ['for=192.0.2.60;proto=http', undefined],
    ['localhost', undefined],
    ["'; DROP TABLE clients; --", undefined],
  ])('%j: %j', (header, expected) => {
    expect(clientOf(header, createIpFilter(PROXIES))).toBe(expected);
  });
});

describe('trustProxy', () => {
  /** How a server pool that lets in CLIENT alone answers somebody of this machine, and who that was to it. */
  async function asked(
    trustProxy: string[] | undefined,
    lines: string[],
    clientIP: string | undefined = CLIENT,
  ): Promise<{ status: number; peer?: string | undefined; remote?: (string | number | undefined)[] }> {
    await using pool = await startServer({ clientIP, ...(trustProxy ? { trustProxy } : {}) });
    let peer: string | undefined;
    pool.on('reject', (rejected) => (peer = rejected.peer));
    pool.on('connect', (connected) => (peer = connected.peer));
    const raw = await connectRaw(portOf(pool));
    const status = Number((await raw.upgrade(lines)).split(' ')[1]);
    if (status !== 101) {
      raw.socket.destroy();
      return { status, peer };
    }
    const { remoteAddress, remotePort } = await pool.incomingGet();
    raw.socket.destroy();
    return { status, peer, remote: [remoteAddress, remotePort] };
  }

  it('lets in the client that a trusted proxy names, and shows it', async () => {
    const { status, peer, remote } = await asked(['127.0.0.0/8'], [`X-Forwarded-For: 1.1.1.1, ${CLIENT}`]);
    expect([status, remote]).toEqual([101, [CLIENT, undefined]]);
    expect(peer).toMatch(/^198\.51\.100\.7 \(by way of 127\.0\.0\.1:\d+\)$/);
  });

  it.each<[string, number, string[] | undefined, string[]]>([
    ['the header of a stranger', 403, ['10.0.0.0/8'], [`X-Forwarded-For: ${CLIENT}`]],
    ['the header of anybody by default', 403, undefined, [`X-Forwarded-For: ${CLIENT}`]],
    ['what a client wrote left of its own address', 403, ['127.0.0.1'], [`X-Forwarded-For: ${CLIENT}, 1.1.1.1`]],
    ['an address left of garbage', 403, ['127.0.0.1'], [`X-Forwarded-For: ${CLIENT}, unknown`]],
    ['the address of the proxy itself when it names nobody', 403, ['127.0.0.1'], []],
    ['an empty header', 403, ['127.0.0.1'], ['X-Forwarded-For: ']],
    ['other headers', 403, ['127.0.0.1'], [`X-Real-IP: ${CLIENT}`, `Forwarded: for=${CLIENT}`, `CF-Connecting-IP: ${CLIENT}`]],
    ['the last of two headers', 101, ['127.0.0.1'], ['X-Forwarded-For: 1.1.1.1', `x-forwarded-for: ${CLIENT}`]],
  ])('goes by %s: %i', async (_, expected, trustProxy, lines) => {
    expect((await asked(trustProxy, lines)).status).toBe(expected);
  }); // prettier-ignore

  it('writes nothing of what a stranger sent into events', async () => {
    const { status, peer } = await asked(['127.0.0.1'], ['X-Forwarded-For: <script>']);
    expect(status).toBe(403);
    expect(peer).toMatch(/^unknown \(by way of 127\.0\.0\.1:\d+\)$/);
  });

  it('lets in a client without an address only where all are let in', async () => {
    const { status, remote } = await asked(['127.0.0.1'], ['X-Forwarded-For: unknown'], '');
    expect([status, remote]).toEqual([101, [undefined, undefined]]);
  });
});
