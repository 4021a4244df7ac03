import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { INestApplication, LoggerService, ModuleMetadata } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { type ClientPoolOptions, ClientPoolService, ServerPoolService, type PoolService } from 'nestjs-npws';
import type { KeyPair } from './certificates.js';

/** The two HTTP platforms of Nest. */
export const PLATFORMS = ['express', 'fastify'] as const;

/** Keeps every line that goes through Nest's Logger, as 'level [context] text'. */
export class RecordingLogger implements LoggerService {
  readonly lines: string[] = [];

  /** The lines that pools wrote. */
  get poolLines(): string[] {
    return this.lines.filter((line) => /^\S+ \[(Client|Server)Pool:/.test(line));
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.#add('log', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#add('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.#add('error', message, rest);
  }

  #add(level: string, message: unknown, rest: unknown[]): void {
    this.lines.push(`${level} [${String(rest.at(-1))}] ${String(message)}`);
  }
}

/** A Nest application on real sockets. `await using` closes it. */
export interface BootedApp extends AsyncDisposable {
  readonly app: INestApplication;
  readonly logger: RecordingLogger;
  /** Where its HTTP server listens. */
  readonly url: string;
  readonly client: ClientPoolService;
  readonly server: ServerPoolService;
  /** The port of its unnamed server pool. */
  readonly poolPort: number;
}

interface BootOptions {
  platform?: (typeof PLATFORMS)[number];
  logger?: RecordingLogger;
  /** Makes its HTTP server one of HTTPS. */
  https?: KeyPair;
  /** Cuts HTTP connections at its end instead of waiting for them; Express. */
  forceCloseConnections?: boolean;
  /** Where its HTTP server listens; on a free port by default. */
  port?: number;
  /** Called before the application is initialised. */
  prepare?: (app: INestApplication) => void;
}

/** Boots an application on a free port. When that fails, whatever had started is closed before it rejects. */
export async function boot(
  metadata: ModuleMetadata,
  {
    platform = 'express',
    logger = new RecordingLogger(),
    https,
    port = 0,
    forceCloseConnections = false,
    prepare,
  }: BootOptions = {},
): Promise<BootedApp> {
  const module = await Test.createTestingModule(metadata).setLogger(logger).compile();
  const app =
    platform === 'express'
      ? module.createNestApplication({ forceCloseConnections, ...(https ? { httpsOptions: https } : {}) })
      : module.createNestApplication(https ? new FastifyAdapter({ https }) : new FastifyAdapter());
  prepare?.(app);
  try {
    await app.listen(port, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  return {
    app,
    logger,
    url: await app.getUrl(),
    get client() {
      return app.get(ClientPoolService);
    },
    get server() {
      return app.get(ServerPoolService);
    },
    get poolPort() {
      return portOf(app.get(ServerPoolService));
    },
    async [Symbol.asyncDispose]() {
      await app.close();
    },
  };
}

/** The port that a pool listens on. */
export function portOf(pool: PoolService): number {
  return pool.address()?.port ?? 0;
}

/** A server pool's `listen` on a free port of this machine. */
export const LOCAL = { host: '127.0.0.1', port: 0 } as const;

/** Options of a client that fills itself quickly over plain ws. */
export function quickClient(port: number, options: Partial<ClientPoolOptions> = {}): ClientPoolOptions {
  return {
    address: `127.0.0.1:${port}`,
    tlsMode: 'none',
    minCapacity: 2,
    maxCapacity: 2,
    minInterval: 50,
    maxInterval: 500,
    ...options,
  };
}

/** Listens on a free port: for a server pool whose port must be known before it starts. */
export async function listenAnywhere(): Promise<{ listener: Server; port: number }> {
  const listener = createServer();
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return { listener, port: (listener.address() as { port: number }).port };
}
