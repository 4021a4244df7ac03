import { live } from '../parts/lifetime.js';
import { check } from './check.js';
import { Fleet } from './fleet.js';

await live((isCheck) => Fleet.start(isCheck), { show, check });

function show(fleet: Fleet): void {
  const { a, b, c } = fleet.servers;
  console.log(`
  server a  wss://${a.address} for the front, no port for HTTP (process ${a.pid})
  server b  wss://${b.address} (process ${b.pid})
  server c  wss://${c.address} (process ${c.pid})
  front     ${fleet.url}

  open  ${fleet.url}/round-robin/hello       again and again: each server in its turn
        ${fleet.url}/least-used/report?lines=500
        ${fleet.url}/servers
  try   kill -9 ${b.pid}   while requests run: none is lost, and the server is brought back
  stop  Ctrl-C
`);
}
