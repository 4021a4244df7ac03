if (process.argv.includes('--check')) {
  const { check } = await import('./check.js');
  await check();
} else {
  const [{ startApp }, { startHome }] = await Promise.all([import('./app.js'), import('./home.js')]);
  const app = await startApp(8080);
  const url = await app.getUrl();
  // In one process here, as this is a sample: the bot may be anywhere that can dial out.
  await startHome(new URL(url).host);
  console.log(`
  chat  ${url}         (browsers: ${url.replace('http', 'ws')}/chat)
  pool  ${url.replace('http', 'ws')}/npws    (the bot dials it)
  stop  Ctrl-C
`);
}
