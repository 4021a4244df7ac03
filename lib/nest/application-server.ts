import type { Server as HttpServer } from 'node:http';
import type { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { NpwsListenError } from '../core/errors.js';
import type { FindHttpServer } from '../transport/mount.js';
import { providersOf } from './find-pools.js';

/** What `@WebSocketGateway` of @nestjs/websockets, which need not be there, notes at a class. */
const GATEWAY = { mark: 'websockets:is_gateway', options: 'websockets:gateway_options', port: 'port' };

/**
 * Finds the HTTP server of the application for a pool that is mounted on it. Throws `NpwsListenError` when there is
 * none, and when a gateway has the path: one of the two would never hear of anybody.
 */
export function findHttpServer(host: HttpAdapterHost, modules: ModulesContainer): FindHttpServer {
  return (pool, path) => {
    // Nest types it as any adapter's; before its adapter is there, there is nothing.
    const adapter = host.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const http = adapter?.getHttpServer() as HttpServer | undefined;
    if (!http) {
      throw new NpwsListenError(
        `${pool}: can't mount on ${path}: this application has no HTTP server (it was not made by NestFactory.create); use \`listen\``,
      );
    }
    const gateway = gatewayOn(path, modules);
    if (gateway) {
      throw new NpwsListenError(`${pool}: can't mount on ${path}: the gateway ${gateway} has this path`);
    }
    return http;
  };
}

/** The name of the application's gateway that has this path of its HTTP server, if there is one. */
function gatewayOn(path: string, modules: ModulesContainer): string | undefined {
  for (const { metatype } of providersOf(modules)) {
    if (typeof metatype !== 'function' || !Reflect.getMetadata(GATEWAY.mark, metatype)) continue;
    const options = Reflect.getMetadata(GATEWAY.options, metatype) as { path?: string } | undefined;
    const isElsewhere = Boolean(Reflect.getMetadata(GATEWAY.port, metatype));
    if (!isElsewhere && normal(options?.path) === normal(path)) return metatype.name;
  }
  return undefined;
}

/** A path as Nest's adapters take it. */
function normal(path = ''): string {
  return `/${path.replace(/^\/+|\/+$/g, '')}`;
}
