import { createInterface } from 'node:readline';
import { OwnPeer } from './own-peer.js';
import type { Exchange, PeerClientOptions, PeerConnection, PeerPool, PeerServerOptions } from './peer.js';

// This project as a program that speaks the lines of README.md, so that a test can kill it.

interface Request {
  id: number;
  do: string;
  pool: number;
  connection: number;
  connectionId: string;
  timeout: number;
  bytes?: number;
  seed: number;
  chunk?: number;
}

const peer = new OwnPeer({ ca: process.env['SSL_CERT_FILE'] });
const pools: PeerPool[] = [];
const connections: PeerConnection[] = [];

function held(connection: PeerConnection): object {
  return { connection: connections.push(connection) - 1, connectionId: connection.id };
}

async function answerOf(request: Request): Promise<object> {
  const pool = pools[request.pool] as PeerPool;
  const connection = connections[request.connection] as PeerConnection;
  switch (request.do) {
    case 'hello':
      return { name: 'nestjs-npws', library: `Node ${process.version}` };
    case 'server':
    case 'client': {
      const opened =
        request.do === 'server'
          ? await peer.server(request as unknown as PeerServerOptions)
          : await peer.client(request as unknown as PeerClientOptions);
      return { pool: pools.push(opened) - 1, port: opened.port };
    }
    case 'incomingGet':
      return held(await pool.incomingGet(request.timeout));
    case 'outgoingGet':
      return held(await pool.outgoingGet(request.connectionId, request.timeout));
    case 'untilActive':
      return { active: await pool.untilActive(request as { atLeast?: number }, request.timeout) };
    case 'close':
      await pool.close();
      return {};
    case 'exchange':
      return connection.exchange(request as unknown as Exchange);
    case 'write':
      await connection.write(request.bytes ?? 0, request.seed, request.chunk);
      return {};
    case 'read':
      return connection.read(request.bytes);
    case 'end':
      await connection.end();
      return {};
    case 'cut':
      await connection.cut();
      return {};
    default:
      throw new Error('unsupported');
  }
}

createInterface(process.stdin)
  .on('line', (line) => {
    const request = JSON.parse(line) as Request;
    answerOf(request)
      .catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }))
      .then((answer) => process.stdout.write(`${JSON.stringify({ ...answer, id: request.id })}\n`))
      .catch(() => undefined);
  })
  .on('close', () => process.exit());
