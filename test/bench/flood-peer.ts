import { connect } from 'node:net';
import { once } from 'node:events';

// Strangers for the benchmark, in a process of its own: 20 at a time ask a full pool for the upgrade, without a pause.

const REQUEST =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

let isOver = false;

process.on('message', (port: number) => {
  for (let i = 0; i < 20; i++) void ask(port);
});
process.on('disconnect', () => (isOver = true));
process.send?.('ready');

async function ask(port: number): Promise<void> {
  while (!isOver) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.resume().write(REQUEST);
    await once(socket, 'close').catch(() => undefined);
  }
}
