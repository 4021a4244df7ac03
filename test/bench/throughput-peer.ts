import { once } from 'node:events';
import { connect } from 'node:tls';
import { createClientPool } from 'nestjs-npws';
import { receive, send, type Work } from './stream-work.js';

// The far end of the throughput benchmark, in a process of its own: the parent says what to do, work by work.

process.on('message', (work: Work) => {
  void run(work);
});
process.send?.('ready');

async function run(work: Work): Promise<void> {
  const { port, direction, bytes, isPooled } = work;
  if (!isPooled) {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    await once(socket, 'secureConnect');
    await (direction === 'up' ? send(socket, bytes) : receive(socket, bytes));
    socket.destroy();
    return;
  }
  await using pool = createClientPool({ address: `127.0.0.1:${port}`, tlsMode: 'self-signed' });
  pool.on('warning', () => undefined); // known: the certificate is made for this run
  await pool.start();
  const connection = await pool.outgoingGet('00000000');
  await (direction === 'up' ? send(connection, bytes) : receive(connection, bytes));
}
