if (process.argv.includes('--check')) {
  const { check } = await import('./check.js');
  process.exitCode = (await check()) ? 0 : 1;
} else {
  const { bootstrap } = await import('./bootstrap.js');
  const app = await bootstrap();
  const url = await app.getUrl();
  console.log(`
  echo    curl -d message=hello ${url}/echo
  stats   curl ${url}/stats       live: ${url.replace('http', 'ws')}/live
  health  curl ${url}/health
  stop    Ctrl-C
`);
}
