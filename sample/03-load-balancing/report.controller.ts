import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, ParseIntPipe, Query, StreamableFile } from '@nestjs/common';

/** The pause between two lines of a report, in milliseconds. */
const PAUSE = 5;

/** The lines that `GET /report` answers. */
export function* linesOf(count: number): Generator<string> {
  for (let line = 1; line <= count; line++) yield `line ${line} of ${count}\n`;
}

/** An ordinary controller: it knows nothing of pools. */
@Controller()
export class ReportController {
  @Get('hello')
  hello(): object {
    return { message: `hello from server ${process.env['SERVER_NAME']}`, process: process.pid };
  }

  /** A streamed answer of unknown length. */
  @Get('report')
  report(@Query('lines', ParseIntPipe) lines: number): StreamableFile {
    return new StreamableFile(Readable.from(slowly(linesOf(lines))), { type: 'text/plain' });
  }
}

async function* slowly(lines: Iterable<string>): AsyncGenerator<string> {
  for (const line of lines) {
    yield line;
    await sleep(PAUSE);
  }
}
