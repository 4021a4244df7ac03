import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { createPair, type Pair, takeBoth } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';

/** TLS between the two ends of a connection, which the pools do not see into. */
interface Secured {
  /** The end that began it, over `below`. */
  client: { socket: TLSSocket; below: PoolConnection };
  server: { socket: TLSSocket; below: PoolConnection };
}

async function secure(pair: Pair): Promise<Secured> {
  const { atServer, atClient } = await takeBoth(pair);
  const certificate = await createCertificate();
  const tls = createServer(certificate);
  const accepted = once(tls, 'secureConnection') as Promise<[TLSSocket]>;
  tls.emit('connection', atClient);
  const socket = connect({ socket: atServer, ca: certificate.cert, servername: 'localhost' });
  await once(socket, 'secureConnect');
  const [far] = await accepted;
  return { client: { socket, below: atServer }, server: { socket: far, below: atClient } };
}

describe.each([false, true])('TLS inside a connection (whose own TLS is %s)', (tls) => {
  it('verifies the far end and carries MiBs both ways, each to its end', async () => {
    await using pair = await createPair({ tls });
    const { client, server } = await secure(pair);
    expect([client.socket.authorized, client.socket.getProtocol()]).toEqual([true, 'TLSv1.3']);
    const [up, down] = [bytesOf(3_000_000, 1), bytesOf(4_000_000, 2)];
    const [atServer, atClient] = [outcomeOf(server.socket), outcomeOf(client.socket)];
    let missing = up.length;
    // The answer ends the connection: it begins when the question was read.
    server.socket.on('data', (part: Buffer) => {
      missing -= part.length;
      if (missing === 0) server.socket.end(down);
    });
    client.socket.write(up);
    // What TLS itself says at the end may find nobody any more: that is no matter of what was carried.
    for (const [outcome, sent] of [[await atServer, up] as const, [await atClient, down] as const]) {
      expect([digestOf(outcome.bytes), outcome.ended]).toEqual([digestOf(sent), true]);
    }
  });

  it.each<['client' | 'server', 'client' | 'server']>([
    ['client', 'server'],
    ['server', 'client'],
  ])('is an error at the TLS %s when the %s below it is cut, never an end', async (reader, writer) => {
    await using pair = await createPair({ tls });
    const secured = await secure(pair);
    const { socket } = secured[reader];
    const outcome = outcomeOf(socket);
    secured[writer].socket.write(bytesOf(100_000));
    while (socket.bytesRead < 100_000) await once(socket, 'data');
    secured[writer].below.destroy();
    const { bytes, ended, error } = await outcome;
    expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
    expect(digestOf(bytes)).toBe(digestOf(bytesOf(100_000)));
  });
});
