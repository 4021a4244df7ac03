import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { announce } from '../parts/child.js';
import { seededBytes } from './seeded-bytes.js';
import { numberFrom } from './settings.js';

// The private service: an ordinary HTTP server that listens on loopback only and knows nothing of tunnels.

const PAGE = `<!doctype html><title>nestjs-npws</title>
<h1>Hello from behind the tunnel</h1>
<p>This page comes from a service that listens on loopback only. <a href="/stream">A streamed answer</a></p>
<p><button id="load">Make load for 10 s</button> <output id="done"></output> See what the pool makes of it on the dashboard.</p>
<script>
  document.getElementById('load').addEventListener('click', async ({ target }) => {
    target.disabled = true;
    const end = Date.now() + 10_000;
    let done = 0;
    const visitor = async () => {
      while (Date.now() < end) {
        await fetch('/load?' + Math.random()).then((answer) => answer.text()).catch(() => undefined);
        document.getElementById('done').value = ++done + ' requests.';
      }
    };
    await Promise.all(Array.from({ length: 6 }, visitor)); // what a browser does at once
    target.disabled = false;
  });
</script>`;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://private');
  if (url.pathname === '/') {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(PAGE);
  } else if (url.pathname === '/stream') {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    for (let line = 1; line <= 3 && !response.destroyed; line++) {
      response.write(`line ${line} of 3\n`);
      await sleep(300);
    }
    response.end();
  } else if (url.pathname === '/load') {
    // Each over a connection of its own: a take, a use and a return of the pool.
    response.writeHead(200, { Connection: 'close' }).end('x'.repeat(10_000));
  } else if (url.pathname === '/exchange') {
    // Takes any body and tells its hash, then sends as many bytes as it was asked for.
    const hash = createHash('sha256');
    for await (const chunk of request) hash.update(chunk as Buffer);
    const length = Number(url.searchParams.get('bytes'));
    const seed = Number(url.searchParams.get('seed'));
    response.writeHead(200, { 'Content-Length': length, 'X-Received-Sha256': hash.digest('hex') });
    await pipeline(Readable.from(seededBytes(seed, length)), response);
  } else {
    response.writeHead(404).end('not found');
  }
}

const server = createServer((request, response) => {
  // A visitor who leaves in the middle is nobody's error.
  answer(request, response).catch(() => response.destroy());
});

new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('message', (message, isBinary) => {
    socket.send(message, { binary: isBinary });
  });
});

server.listen(numberFrom('PRIVATE_PORT', 3000), '127.0.0.1', () => {
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });
  announce({}, stop);
  process.once('SIGTERM', () => {
    void stop().then(() => process.exit(0));
  });
});
