import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Every sample's own check. */
const CHECKS = [
  '01-reverse-tunnel/main.ts',
  '02-quick-start/src/main.ts',
  '03-load-balancing/main.ts',
  '04-shared-server/main.ts',
  '05-edge-fleet/main.ts',
  '06-postgres-behind-nat/main.ts',
];

for (const check of CHECKS) {
  console.log(`\n# sample/${check} --check`);
  const command = ['--import', '@swc-node/register/esm-register', `sample/${check}`, '--check'];
  const [code] = (await once(spawn(process.execPath, command, { stdio: 'inherit' }), 'exit')) as [
    number | null,
  ];
  if (code !== 0) process.exit(code ?? 1);
}
