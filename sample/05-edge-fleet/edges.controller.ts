import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { Reading } from './edge.js';
import { Edges, EDGES } from './edges.js';

/** What visitors come for. */
@Controller('edges')
export class EdgesController {
  constructor(@Inject(Edges) private readonly edges: Edges) {}

  /** Who is there, and who is away. */
  @Get()
  list(): { present: string[]; away: string[] } {
    const { present } = this.edges;
    return { present, away: EDGES.filter((name) => !present.includes(name)) };
  }

  @Get(':name')
  read(@Param('name') name: string): Promise<Reading> {
    return this.edges.read(name);
  }
}
