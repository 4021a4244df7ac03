import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { ClientPoolService, NpwsModule, ServerPoolService } from 'nestjs-npws';
import { listenAnywhere, quickClient } from './apps.js';

// An application in a process of its own that holds a stream and waits for a signal; 'exit' has it end with code 0.

const { listener, port } = await listenAnywhere();

@Module({
  imports: [
    NpwsModule.forRoot({
      server: { listener, maxCapacity: 10, drainTimeout: 100 },
      client: quickClient(port, { drainTimeout: 100 }),
    }),
  ],
})
class SignalledModule {}

const app = await NestFactory.create(SignalledModule);
app.enableShutdownHooks([], { useProcessExit: process.argv.includes('exit') });
await app.listen(0, '127.0.0.1');
const held = await app.get(ServerPoolService).incomingGet();
await app.get(ClientPoolService).outgoingGet(held.id);
process.send?.('ready');
// The channel would keep the process alive by itself.
process.disconnect();
