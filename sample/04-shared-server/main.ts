import { live } from '../parts/lifetime.js';
import { check } from './check.js';
import { Site } from './site.js';

await live((isCheck) => Site.start(isCheck), { show, check });

function show({ url }: Site): void {
  console.log(`
  chat  ${url}         (browsers: ${url.replace('http', 'ws')}/chat)
  pool  ${url.replace('http', 'ws')}/npws    (the bot dials it)
  stop  Ctrl-C
`);
}
