import { Inject } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import { Bot } from './bot.js';

/** What everybody in the chat hears. */
export interface Said {
  readonly event: 'said';
  readonly data: { readonly by: string; readonly text: string };
}

/** An ordinary gateway. What begins with '!' is answered by the bot, which lives behind a NAT. */
@WebSocketGateway({ path: '/chat' })
export class ChatGateway implements OnGatewayConnection<WebSocket>, OnGatewayDisconnect<WebSocket> {
  readonly #visitors = new Map<WebSocket, string>();
  #visitorsEver = 0;

  constructor(@Inject(Bot) private readonly bot: Bot) {}

  handleConnection(visitor: WebSocket): void {
    this.#visitors.set(visitor, `visitor ${++this.#visitorsEver}`);
  }

  handleDisconnect(visitor: WebSocket): void {
    this.#visitors.delete(visitor);
  }

  @SubscribeMessage('say')
  async say(@ConnectedSocket() visitor: WebSocket, @MessageBody() text: string): Promise<void> {
    this.#tellAll(this.#visitors.get(visitor) ?? 'somebody', text);
    if (!text.startsWith('!')) return;
    const answer = await this.bot.ask(text.slice(1)).catch((error: unknown) => (error as Error).message);
    this.#tellAll('bot', answer);
  }

  #tellAll(by: string, text: string): void {
    const message = JSON.stringify({ event: 'said', data: { by, text } } satisfies Said);
    for (const visitor of this.#visitors.keys()) visitor.send(message);
  }
}
