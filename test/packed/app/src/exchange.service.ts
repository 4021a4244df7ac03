import { buffer } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { ClientPoolService, ServerPoolService } from 'nestjs-npws';

/** What one end sends, or got. */
export interface Ends {
  readonly server: Buffer;
  readonly client: Buffer;
}

@Injectable()
export class ExchangeService {
  // By their types alone, as an application's own services are injected.
  constructor(
    private readonly server: ServerPoolService,
    private readonly client: ClientPoolService,
  ) {}

  /** Has both ends of one connection send at once, and tells what each of them got. */
  async exchange(sent: Ends): Promise<Ends> {
    const atServer = await this.server.incomingGet(5_000);
    const atClient = await this.client.outgoingGet(atServer.id, 5_000);
    atServer.end(sent.server);
    atClient.end(sent.client);
    const [server, client] = await Promise.all([buffer(atServer), buffer(atClient)]);
    return { server, client };
  }
}
