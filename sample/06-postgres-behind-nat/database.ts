import { numberFrom } from '../01-reverse-tunnel/settings.js';
import { announce } from '../parts/child.js';
import { findPostgres, startPostgres } from './postgres.js';
import { startStandIn } from './stand-in.js';

// The service behind the NAT. It ends with whoever started this process.

const port = numberFrom('PRIVATE_PORT', 5432);
const programs = findPostgres();
const database = await (programs ? startPostgres(programs, port) : startStandIn(port));
const stop = (): Promise<void> => Promise.resolve(database[Symbol.asyncDispose]());

process.once('SIGTERM', () => void stop().then(() => process.exit()));
announce({ what: database.what }, stop);
