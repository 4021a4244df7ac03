import { Tunnel } from '../01-reverse-tunnel/tunnel.js';
import { live } from '../parts/lifetime.js';
import { check } from './check.js';
import { findPostgres, openPostgres, USER } from './postgres.js';
import { openStandIn } from './stand-in.js';

const hasPostgres = findPostgres() !== undefined;
const service = new URL('database.ts', import.meta.url);

await live((isCheck) => Tunnel.start({ anyPorts: isCheck, service, visitorPort: 5433 }), {
  show,
  check: (tunnel) => check(tunnel, hasPostgres ? openPostgres : openStandIn),
});

function show(tunnel: Tunnel): void {
  const { visitorPort, dashboardUrl } = tunnel;
  const { user, password, database } = USER;
  console.log(`
  behind the NAT  ${tunnel.private.told('what')}, on loopback only${hasPostgres ? '' : ': PostgreSQL is not installed'}
  in front of it  port ${visitorPort}

  open       ${
    hasPostgres
      ? `psql postgresql://${user}:${password}@127.0.0.1:${visitorPort}/${database}`
      : `nc 127.0.0.1 ${visitorPort}   and say: double 21`
  }
  dashboard  ${dashboardUrl}
  stop       Ctrl-C
`);
}
