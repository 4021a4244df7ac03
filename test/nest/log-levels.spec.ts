import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { NpwsModule, type NpwsOptions } from 'nestjs-npws';
import { LOG_LEVELS } from '../../lib/core/log-options.js';
import { LogLines } from '../../lib/nest/log-lines.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { boot, type BootedApp, LOCAL } from '../support/apps.js';
import { until } from '../support/pair.js';
import { connectNamed, connectRaw } from '../support/raw-peer.js';

function bootServer(options: Partial<NpwsOptions['server']>, logs?: NpwsOptions['logs']): Promise<BootedApp> {
  const server = { listen: LOCAL, maxCapacity: 9, ...options } as NpwsOptions['server'];
  return boot({ imports: [NpwsModule.forRoot({ server, logs })] });
}

/** Strangers who are turned away, one after the other. */
async function knock({ poolPort, server }: BootedApp, times: number): Promise<void> {
  for (let stranger = 0; stranger < times; stranger++) await (await connectRaw(poolPort)).upgrade();
  await until(server, () => server.stats()?.rejected === times);
}

/** Ports differ from run to run. */
function portless(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:#').replace(/connection \w{8} /, 'connection # '),
  );
}

describe('the lines of a pool', () => {
  it('tell who was refused, five times, and at the end how many more', async () => {
    const booted = await bootServer({ clientIP: '192.0.2.1' });
    await knock(booted, 8);
    await booted.app.close();
    const refused = 'refused 127.0.0.1:#: unauthorized (403)';
    expect(portless(booted.logger.poolLines.slice(1))).toEqual([
      ...Array.from({ length: 5 }, () => `warn [ServerPool:default] ${refused}`),
      'log [ServerPool:default] draining, 0 in use',
      `warn [ServerPool:default] 3 more lines like this were left out, the last: ${refused}`,
      'log [ServerPool:default] closed',
    ]);
  });

  it('say nothing of clients that dial while it shuts down', async () => {
    const booted = await bootServer({ drainTimeout: 60_000 });
    const { peer, id } = await connectNamed(booted.poolPort);
    const held = await booted.server.outgoingGet(id);
    const draining = new Promise<void>((resolve) => booted.server.once('drain', resolve));
    const closed = booted.app.close();
    await draining;
    await knock(booted, 1);
    held.destroy();
    await peer.gone;
    await closed;
    expect(booted.logger.poolLines.join()).not.toContain('refused');
  });

  it('have the level that the options give their kind', async () => {
    const logs = { listening: false, rejected: 'error', lost: 'warn', draining: false } as const;
    const booted = await bootServer({ maxCapacity: 1 }, logs);
    const { peer } = await connectNamed(booted.poolPort);
    await knock(booted, 1);
    await peer.reset();
    await until(booted.server, () => booted.server.active() === 0);
    await booted.app.close();
    expect(portless(booted.logger.poolLines)).toEqual([
      'error [ServerPool:default] refused 127.0.0.1:#: pool full (503)',
      expect.stringMatching(
        /^warn \[ServerPool:default\] connection # with 127\.0\.0\.1:# was lost while idle: close code 1006/,
      ),
      'log [ServerPool:default] closed',
    ]);
  });

  it('tell of a peer that breaks a rule', async () => {
    const booted = await bootServer({});
    const { peer } = await connectNamed(booted.poolPort);
    peer.send(Buffer.from('text'), { opcode: 1 });
    await until(booted.server, () => booted.server.stats()?.closed.violation === 1);
    await booted.app.close();
    await peer.gone;
    expect(portless(booted.logger.poolLines)[1]).toBe(
      'warn [ServerPool:default] connection # with 127.0.0.1:# broke a rule: close code 1003, text message',
    );
  });

  it('are none when `logs` is false', async () => {
    const booted = await bootServer({}, false);
    await booted.app.close();
    expect(booted.logger.poolLines).toEqual([]);
  });

  it.each([
    [
      { rejected: 'loud' },
      "options.logs.rejected: expected 'error', 'warn', 'log', 'debug', 'verbose' or false, got \"loud\"",
    ],
    [{ regected: 'warn' }, 'options.logs.regected: unknown option; known are listening, connected,'],
    [true, 'options.logs: expected an object, got true'],
  ])('need levels that there are: %j', async (logs, problem) => {
    await expect(bootServer({}, logs as never)).rejects.toThrow(problem);
  });
});

/** A logger that keeps what it is told. */
class Kept extends Logger {
  readonly lines: string[] = [];

  override warn(message: unknown): void {
    this.lines.push(String(message));
  }
}

describe('many lines of a kind', () => {
  function create(): { clock: FakeClock; logger: Kept; lines: LogLines } {
    const [clock, logger] = [new FakeClock(), new Kept()];
    return { clock, logger, lines: new LogLines(logger, { ...LOG_LEVELS, lost: 'warn' }, clock) };
  }

  it('are five a minute; what was left out is told at its end', () => {
    const { clock, logger, lines } = create();
    for (let line = 1; line <= 20; line++) {
      lines.write('rejected', `line ${line}`);
      clock.advance(1_000);
    }
    lines.write('outage', 'of another kind');
    expect(logger.lines).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5', 'of another kind']);
    clock.advance(40_000);
    expect(logger.lines.slice(6)).toEqual(['15 more lines like this were left out, the last: line 20']);
    lines.write('rejected', 'after a minute');
    expect(logger.lines.at(-1)).toBe('after a minute');
    lines.end();
    expect(clock.pending).toBe(0);
  });

  it('of mixed kinds are ten a second at most, and each is written or counted', () => {
    const { clock, logger, lines } = create();
    const kinds = ['rejected', 'violation', 'lost'] as const; // what peers can cause
    const FLOOD = 20_000;
    const seconds = Array.from({ length: FLOOD / 100 + 1 }, () => 0);
    for (let line = 0; line < FLOOD; line++) {
      const before = logger.lines.length;
      for (const kind of kinds) lines.write(kind, `line ${line}`);
      clock.advance(10);
      const second = Math.floor(clock.now() / 1_000);
      seconds[second] = (seconds[second] ?? 0) + logger.lines.length - before;
    }
    lines.end();
    const told = logger.lines.map((line) => Number(/^(\d+) more lines/.exec(line)?.[1] ?? 1));
    expect(told.reduce((sum, count) => sum + count)).toBe(FLOOD * kinds.length);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(10);
  });

  it('keep no timer while nothing was left out', () => {
    const { clock, lines } = create();
    for (let line = 0; line < 5; line++) lines.write('rejected', 'a line');
    expect(clock.pending).toBe(0);
  });

  it('that were left out are told before the next one, should their minute be over already', () => {
    const { clock, logger, lines } = create();
    for (let line = 0; line < 6; line++) lines.write('rejected', 'a line');
    clock.stall(61_000);
    lines.write('rejected', 'the next');
    expect(logger.lines.slice(5)).toEqual([
      '1 more lines like this were left out, the last: a line',
      'the next',
    ]);
    clock.advance(0);
    expect(logger.lines).toHaveLength(7);
  });
});
