import { freePort } from '../common/free-port.js';
import { conclude } from '../common/table.js';
import { check } from './check.js';
import { findPostgres, startPostgres } from './postgres.js';
import { startStandIn } from './stand-in.js';
import { Way } from './way.js';

const isCheck = process.argv.includes('--check');
const programs = findPostgres();
const service = await (programs ? startPostgres(programs) : startStandIn());
const way = await Way.start(service.port, await freePort(isCheck ? undefined : 5433));

let stopping: Promise<void> | undefined;
const stop = (): Promise<void> => (stopping ??= way.stop().then(() => service[Symbol.asyncDispose]()));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    void stop().then(() => process.exit(isCheck ? 1 : 0));
  });
}

console.log(`
  behind the NAT  ${service.what}, loopback only, port ${service.port}
  in front of it  port ${way.port}

  open       ${service.commandFor(way.port)}
  dashboard  ${way.entrance.told('dashboard')}
  stop       Ctrl-C
`);

if (isCheck) {
  try {
    conclude(await check(way, service));
  } finally {
    await stop();
  }
} else {
  way.supervise();
}
