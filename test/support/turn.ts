import { execFileSync } from 'node:child_process';

/** The part of them whose turn it is with this commit, of so many parts: as it comes, so that all are had in a few commits. */
export function partOf<T>(all: readonly T[], parts: number): readonly T[] {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  const turn = parseInt(commit.slice(-6), 16) % parts;
  return all.filter((_, index) => index % parts === turn);
}
