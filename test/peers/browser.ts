import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { findProgram } from './find-program.js';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--ignore-certificate-errors',
];

/** Debian's Chromium. `await using` closes it and leaves nothing behind. */
export async function startBrowser(
  options: BrowserContextOptions = {},
): Promise<{ browser: BrowserContext } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'npws-chromium-'));
  const browser = await chromium.launchPersistentContext(folder, {
    executablePath: findProgram('chromium'),
    args: FLAGS,
    headless: true,
    ...options,
  });
  return {
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(folder, { recursive: true });
    },
  };
}
