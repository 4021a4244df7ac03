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
    void stop().then(() => process.exit(isCheck ? 1 : 0));
  });
}

if (isCheck) {
  try {
    conclude(await check(fleet));
  } finally {
    await stop();
  }
} else {
  fleet.supervise();
  const [first] = fleet.edges;
  console.log(`
  edges      ${fleet.url}/edges    ask one: ${fleet.url}/edges/edge-0
  dashboard  ${fleet.url}/npws-dashboard
  health     ${fleet.url}/health   with every edge: ${fleet.url}/health/fleet
  metrics    ${fleet.url}/metrics
  try        kill -9 ${first?.pid ?? ''}   (${first?.name ?? ''}): it is away, the others are not, and it is brought back
  stop       Ctrl-C
`);
}
