import { createServer } from 'node:net';
import { type ClientPoolOptions, NpwsModule, type NpwsOptions, type ServerPoolOptions } from 'nestjs-npws';
import { createMemoryPools } from 'nestjs-npws/testing';

// Never run: `npm run lint` compiles it. Each line below a `@ts-expect-error` is a mistake that the compiler must find.

const address = 'example.com:8443';

export const clients: ClientPoolOptions[] = [
  { address, tlsMode: '2', tls: { ca: 'PEM', servername: 'pool' }, tlsFiles: { key: 'k', cert: 'c' } },
  // @ts-expect-error A client needs to know whom to dial.
  { minCapacity: 1 },
  // @ts-expect-error There is no such option.
  { address, minCapactiy: 1 },
  // @ts-expect-error There is no such mode.
  { address, tlsMode: 'insecure' },
  // @ts-expect-error tlsMode decides that.
  { address, tls: { rejectUnauthorized: false } },
  // @ts-expect-error `address` decides that.
  { address, tls: { host: 'elsewhere' } },
  // @ts-expect-error A key is nothing without its certificate.
  { address, tlsFiles: { key: 'k' } },
  // @ts-expect-error Files of nothing.
  { address, tlsFiles: { interval: 1_000 } },
];

export const servers: ServerPoolOptions[] = [
  { listen: { port: 0 }, tlsFiles: { key: 'k', cert: 'c', ca: ['a'] } },
  // @ts-expect-error A server needs a place to listen.
  { maxCapacity: 10 },
  // @ts-expect-error It listens in one place.
  { listen: { port: 0 }, listener: createServer() },
  // @ts-expect-error A place has a port.
  { listen: { host: 'localhost' } },
  // @ts-expect-error That is the client's.
  { listen: { port: 0 }, minCapacity: 1 },
];

export const modules = [
  NpwsModule.forRoot({ name: 'berlin', isGlobal: true, client: { address } }),
  NpwsModule.forRootAsync({
    name: 'berlin',
    inject: [],
    useFactory: (): NpwsOptions => ({ client: { address } }),
  }),
  // @ts-expect-error A misspelt option.
  NpwsModule.forRoot({ client: { address, minCapactiy: 1 } }),
  // @ts-expect-error The name stands beside the factory.
  NpwsModule.forRootAsync({ useFactory: (): NpwsOptions => ({ name: 'berlin', client: { address } }) }),
  // @ts-expect-error Neither a client nor a server.
  NpwsModule.forRootAsync({ useFactory: () => ({ clinet: { address } }) }),
];

// @ts-expect-error There is nothing to dial in memory.
export const pools = createMemoryPools({ client: { address } });
