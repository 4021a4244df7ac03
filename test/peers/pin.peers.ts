import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { pinOf } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { describeWith } from './find-program.js';

describeWith('openssl')('the command for a pin in the guide to security', () => {
  it('prints what pinOf returns', async () => {
    const page = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8');
    const [, command = ''] = /```sh\n(openssl x509 .*?)\n```/s.exec(page) ?? [];
    const { cert } = await createCertificate();
    const folder = await mkdtemp(join(tmpdir(), 'npws-pin-'));
    await writeFile(join(folder, 'server.crt'), cert);
    const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: folder });
    await rm(folder, { recursive: true });
    expect(stdout.trim()).toBe(pinOf(cert));
  });
});
