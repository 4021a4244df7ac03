import { cpus } from 'node:os';

/** What figures were measured on, for their report. */
export function machine(): string {
  return `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`;
}
