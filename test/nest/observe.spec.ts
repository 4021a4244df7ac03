import { describe, expect, it } from '@jest/globals';
import { NpwsModule, type PoolEvents, type PoolStats } from 'nestjs-npws';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { filter } from 'rxjs/operators';
import { boot, LOCAL, quickClient } from '../support/apps.js';
import { until } from '../support/pair.js';
import { connectNamed, connectRaw } from '../support/raw-peer.js';

describe('stats$ of a pool service', () => {
  it('tells the numbers at once, after changes, and for the last time when the pool is closed', async () => {
    const far = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 5 } })] });
    const { server } = far;
    const all = lastValueFrom(server.stats$.pipe(toArray()));
    const one = firstValueFrom(server.stats$.pipe(filter(({ active }) => active === 1)));
    const { peer } = await connectNamed(far.poolPort);
    expect(await one).toMatchObject({ role: 'server', state: 'running', capacity: 5, utilization: 0.2 });
    peer.socket.destroy();
    await firstValueFrom(server.stats$.pipe(filter(({ active }) => active === 0)));
    await far.app.close();
    const values = await all;
    expect(values[0]).toMatchObject({ state: 'running', active: 0 });
    expect(values.at(-1)).toEqual({ ...server.stats() });
    expect(values.at(-1)?.state).toBe('closed');
  });

  it('stays silent for a role that is not configured', async () => {
    const booted = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL } })] });
    const heard: PoolStats[] = [];
    const subscription = booted.client.stats$.subscribe((stats) => heard.push(stats));
    await booted.app.close();
    subscription.unsubscribe();
    expect(heard).toEqual([]);
  });
});

describe('events of a pool service', () => {
  it('tell what happens, to those who listen', async () => {
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 9, path: '/pool' } })],
    });
    const heard: string[] = [];
    const onConnect = (...[{ id }]: PoolEvents['connect']): void => void heard.push(`connect ${id}`);
    const rejected = new Promise<PoolEvents['reject'][0]>((resolve) => far.server.once('reject', resolve));
    const added = new Promise<Error | null>((resolve) => far.server.once('errorAdded', resolve));
    far.server.on('connect', onConnect).on('disconnect', ({ id, used }) => {
      heard.push(`disconnect ${id} ${used ? 'used' : 'idle'}`);
    });

    await (await connectRaw(far.poolPort)).upgrade();
    expect(await rejected).toMatchObject({ status: 404, reason: 'not found' });
    const error = new Error('of the application');
    far.server.addError(error);
    expect(await added).toBe(error);
    expect(far.server.errorCount()).toBe(1);
    far.server.resetError();
    expect(far.server.errorCount()).toBe(0);

    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort, { path: '/pool', minCapacity: 1 }) })],
    });
    const taken = await near.client.incomingGet();
    const gone = new Promise((resolve) => far.server.once('disconnect', resolve));
    far.server.off('connect', onConnect);
    taken.destroy();
    await gone;
    expect(heard[0]).toBe('connect 00000000');
    expect(heard).toContain('disconnect 00000000 idle');
  });

  it('and methods are those of the pool beneath', async () => {
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 9 } })],
    });
    await using near = await boot({ imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort) })] });
    const { client } = near;
    await until(client, () => client.active() === 2);
    expect(client.stats()).toMatchObject({ role: 'client', name: 'default', state: 'running', active: 2 });
    expect([client.capacity(), client.interval()]).toEqual([
      client.stats()?.capacity,
      client.stats()?.interval,
    ]);
    expect(client.address()).toEqual({ host: '127.0.0.1', port: far.poolPort });
    expect(client.health()).toEqual({ up: true, degraded: false, reason: null });
    expect(client.connections().map(({ state }) => state)).toEqual(['idle', 'idle']);
    expect(client.distributions()?.dial.count).toBe(2);
    expect(client.flush()).toBe(2);
    expect(client.active()).toBe(0);
    await until(client, () => client.active() === 2);
  });
});
