import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

it('without native code for masks a stream is whole, and both pools say at their start that it is slower', async () => {
  const script = fileURLToPath(new URL('without-native-code.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', '@swc-node/register/esm-register', script],
    { env: { ...process.env, WS_NO_BUFFER_UTIL: '1', NODE_OPTIONS: '' } },
  );
  const warning = /^(client|server): bufferutil is not there, or has no binary for \w+ \w+: streams take/gm;
  expect([...stdout.matchAll(warning)].map(([, role]) => role).sort()).toEqual(['client', 'server']);
  expect(stdout).toMatch(/^as sent: true$/m);
});
