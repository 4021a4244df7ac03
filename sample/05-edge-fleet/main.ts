import { live } from '../parts/lifetime.js';
import { check } from './check.js';
import { Fleet } from './fleet.js';

await live((isCheck) => Fleet.start(isCheck), { show, check });

function show({ url, edges: [edge] }: Fleet): void {
  console.log(`
  edges      ${url}/edges    ask one: ${url}/edges/edge-0
  dashboard  ${url}/npws-dashboard
  health     ${url}/health   with every edge: ${url}/health/fleet
  metrics    ${url}/metrics
  try        kill -9 ${edge?.pid ?? ''}   (${edge?.name ?? ''}): it is away, the others are not, and it is brought back
  stop       Ctrl-C
`);
}
