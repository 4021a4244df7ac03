import { setTimeout as sleep } from 'node:timers/promises';
import { live } from '../parts/lifetime.js';
import { check } from './check.js';
import { Tunnel } from './tunnel.js';
import { linksOf, timedGet } from './visits.js';

/** How long the first request may wait for the edge, in milliseconds. */
const PATIENCE = 20_000;

await live((isCheck) => Tunnel.start({ anyPorts: isCheck }), { show: firstRequest, check });

/** Shows what runs where, and one request through the tunnel beside a direct one. */
async function firstRequest(tunnel: Tunnel): Promise<void> {
  const through = await warmGet(tunnel.url);
  const direct = await warmGet(tunnel.privateUrl);
  const [publicHealth = '', edgeHealth = ''] = tunnel.healthUrls;
  const { opened, reused } = await linksOf(publicHealth);
  console.log(`
  private service  ${tunnel.privateUrl}   loopback only (process ${tunnel.private.pid})
  edge app         dials the server pool, takes what it names (process ${tunnel.edge.pid})
  public app       wss://127.0.0.1:${tunnel.poolPort} for the edge, ${tunnel.url} for visitors (process ${tunnel.public.pid})

  GET / through the tunnel ${through.toFixed(1)} ms, direct ${direct.toFixed(1)} ms
  protocol 2: ${opened} hand-shakes so far, and ${reused} visitors who came over a connection that had served before

  open       ${tunnel.url}   with a button that makes load
  dashboard  ${tunnel.dashboardUrl}
  health     ${publicHealth}   ${edgeHealth}
  stop       Ctrl-C
`);
}

/** Times a request after a few others; the first may come before the edge does. */
async function warmGet(url: string): Promise<number> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    try {
      for (let visit = 0; visit < 5; visit++) await timedGet(url);
      return await timedGet(url);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
