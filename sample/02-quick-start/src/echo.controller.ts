import { BadRequestException, Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ClientPoolService, type PoolConnection, ServerPoolService } from 'nestjs-npws';

/** What `POST /echo` answers. */
export interface Echo {
  /** The ID of the connection that was used. */
  readonly id: string;
  readonly message: string;
  /** How long it took to take the connection at both ends, in milliseconds. */
  readonly taken: number;
}

/** Sends a message through a pooled connection and back. */
@Controller('echo')
export class EchoController {
  constructor(
    @Inject(ServerPoolService) private readonly serverPool: ServerPoolService,
    @Inject(ClientPoolService) private readonly clientPool: ClientPoolService,
  ) {}

  @Post()
  @HttpCode(200)
  async echo(@Body('message') message: unknown): Promise<Echo> {
    if (typeof message !== 'string' || message === '')
      throw new BadRequestException('message: expected a text');
    const start = performance.now();
    // One end takes any idle connection, the other the same one by its ID. Both are ended when this function returns.
    await using near = await this.serverPool.incomingGet();
    await using far = await this.clientPool.outgoingGet(near.id);
    const taken = performance.now() - start;
    far.pipe(far);
    near.write(message);
    return { id: near.id, message: await readText(near, Buffer.byteLength(message)), taken };
  }
}

/** Reads so many bytes and leaves the connection open. */
async function readText(connection: PoolConnection, length: number): Promise<string> {
  const parts: Buffer[] = [];
  let missing = length;
  for await (const part of connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    parts.push(part);
    missing -= part.length;
    if (missing <= 0) break;
  }
  return Buffer.concat(parts).toString();
}
