import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Every sample's own check, with what it sets in its environment. */
const CHECKS: readonly (readonly [main: string, env?: NodeJS.ProcessEnv])[] = [
  ['01-reverse-tunnel/main.ts'],
  ['02-quick-start/src/main.ts'],
  ['03-load-balancing/main.ts'],
  ['04-shared-server/main.ts'],
  ['05-edge-fleet/main.ts'],
  ['06-postgres-behind-nat/main.ts'],
  // As where PostgreSQL is not installed.
  ['06-postgres-behind-nat/main.ts', { STAND_IN: 'yes' }],
];

for (const [main, env] of CHECKS) {
  const start = performance.now();
  console.log(`\n# sample/${main} --check`);
  const command = ['--import', '@swc-node/register/esm-register', `sample/${main}`, '--check'];
  const child = spawn(process.execPath, command, { stdio: 'inherit', env: { ...process.env, ...env } });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
  console.log(`(${((performance.now() - start) / 1000).toFixed(0)} s)`);
}
