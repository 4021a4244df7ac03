import type { IncomingMessage } from 'node:http';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  Header,
  Inject,
  Injectable,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { createPage } from './assets.cjs';
import { Dashboard } from './dashboard.js';

/** Express hands out Node's request, Fastify one that has it. */
type AnyRequest = IncomingMessage & { readonly raw?: IncomingMessage };

@Injectable()
class PageGuard implements CanActivate {
  constructor(@Inject(Dashboard) private readonly dashboard: Dashboard) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AnyRequest>();
    if (await this.dashboard.letsIn(request.raw ?? request)) return true;
    throw new ForbiddenException(
      'you may not see this dashboard: without a guard in the options of NpwsDashboardModule it is for this machine alone, and not by way of a proxy',
    );
  }
}

/** Makes the controller that serves the page: a class for each path, as Nest tells routes by them. */
export function createController(path: string, feed: string): Type {
  const { html, policy } = createPage(feed);

  @Controller(path)
  @UseGuards(PageGuard)
  class DashboardController {
    @Get()
    @Header('Content-Type', 'text/html; charset=utf-8')
    @Header('Content-Security-Policy', policy)
    @Header('Cache-Control', 'no-store')
    @Header('Referrer-Policy', 'no-referrer')
    @Header('X-Content-Type-Options', 'nosniff')
    page(): string {
      return html;
    }
  }
  return DashboardController;
}
