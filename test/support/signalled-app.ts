import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Injectable, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ClientPoolService, NpwsModule, ServerPoolService } from 'nestjs-npws';
import { listenAnywhere, quickClient } from './apps.js';

// An application in a process of its own that holds a stream and waits for a signal. What it is told: 'exit' has it end
// with code 0, 'close' close the application unasked, 'load' take streams one after the other, 'init' and 'destroy' fail in
// that hook.

const modes = new Set(process.argv.slice(2));
const { listener, port } = await listenAnywhere();

@Injectable()
class Hooks implements OnModuleInit, OnModuleDestroy {
  onModuleInit(): void {
    if (modes.has('init')) throw new Error('this hook fails');
  }

  onModuleDestroy(): void {
    if (modes.has('destroy')) throw new Error('this hook fails');
  }
}

@Module({
  imports: [
    NpwsModule.forRoot({
      server: { listener, maxCapacity: 10, drainTimeout: 300 },
      client: quickClient(port, { drainTimeout: 300 }),
    }),
  ],
  providers: [Hooks],
})
class SignalledModule {}

const app = await NestFactory.create(SignalledModule);
app.enableShutdownHooks([], { useProcessExit: modes.has('exit') });
if (modes.has('init')) {
  await app.listen(0, '127.0.0.1').catch(() => app.close());
  process.send?.('failed');
} else {
  await app.listen(0, '127.0.0.1');
  const held = await app.get(ServerPoolService).incomingGet();
  await app.get(ClientPoolService).outgoingGet(held.id);
  if (modes.has('load'))
    await new Promise<void>((resolve) => {
      let streams = 0;
      const seen = (): void => {
        if (++streams === 20) resolve();
      };
      for (let lane = 0; lane < 4; lane++) void load(seen);
    });
  // With a listener more it would not die of the signal.
  if (modes.has('exit')) process.on('SIGTERM', () => process.send?.('heard'));
  process.send?.('ready');
  if (modes.has('close')) await app.close();
}
// The channel would keep the process alive by itself.
process.channel?.unref();

/** Streams, one after the other, until the pools are closed. */
async function load(seen: () => void): Promise<void> {
  const [server, client] = [app.get(ServerPoolService), app.get(ClientPoolService)];
  try {
    for (;;) {
      const near = await server.incomingGet();
      const far = await client.outgoingGet(near.id);
      far.resume().on('end', () => far.end()).on('error', () => undefined); // prettier-ignore
      near.resume().on('error', () => undefined);
      near.end(Buffer.alloc(50_000));
      seen();
    }
  } catch {
    // They are closing.
  }
}
