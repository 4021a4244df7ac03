import { Inject, type InjectionToken } from '@nestjs/common';
import { DEFAULT_NAME } from '../core/options.js';
import { ClientPoolService } from './client-pool.service.js';
import { ServerPoolService } from './server-pool.service.js';

/** The injection token of a client pool; without a name it is the class `ClientPoolService`. */
export function getClientPoolToken(name: string = DEFAULT_NAME): InjectionToken<ClientPoolService> {
  return name === DEFAULT_NAME ? ClientPoolService : `NpwsClientPool:${name}`;
}

/** The injection token of a server pool; without a name it is the class `ServerPoolService`. */
export function getServerPoolToken(name: string = DEFAULT_NAME): InjectionToken<ServerPoolService> {
  return name === DEFAULT_NAME ? ServerPoolService : `NpwsServerPool:${name}`;
}

/** Injects the client pool of `NpwsModule.forRoot({ name, ... })`. */
export function InjectClientPool(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getClientPoolToken(name));
}

/** Injects the server pool of `NpwsModule.forRoot({ name, ... })`. */
export function InjectServerPool(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getServerPoolToken(name));
}
