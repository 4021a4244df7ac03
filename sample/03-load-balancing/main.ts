import { conclude } from '../common/table.js';
import { check } from './check.js';
import { Fleet } from './fleet.js';

const isCheck = process.argv.includes('--check');
const fleet = await Fleet.start(isCheck);

let stopping: Promise<void> | undefined;
const stop = (): Promise<void> => (stopping ??= fleet.stop());

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    console.log('\nStopping: requests may finish ...');
    void stop().then(() => process.exit(isCheck ? 1 : 0));
  });
}

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

if (isCheck) await runCheck();
else fleet.supervise();

async function runCheck(): Promise<void> {
  try {
    const rows = await check(fleet);
    await stop();
    conclude(rows);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    await stop();
  }
}
