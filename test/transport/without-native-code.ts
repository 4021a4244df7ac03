import { text } from 'node:stream/consumers';
import { createClientPool, createServerPool } from 'nestjs-npws';

// Run in a process of its own, with WS_NO_BUFFER_UTIL set: prints the pools' warnings, and what came through.

await using server = createServerPool({ listen: { host: '127.0.0.1', port: 0 } });
server.on('warning', (warning) => {
  console.log(`server: ${warning}`);
});
await server.start();
await using client = createClientPool({
  address: `127.0.0.1:${server.address()?.port ?? 0}`,
  tlsMode: 'none',
});
client.on('warning', (warning) => {
  console.log(`client: ${warning}`);
});
await client.start();
const sent = 'from one end to the other. '.repeat(10_000);
const atClient = await client.incomingGet();
atClient.end(sent);
const atServer = await server.outgoingGet(atClient.id);
atServer.end();
console.log(`as sent: ${(await text(atServer)) === sent}`);
