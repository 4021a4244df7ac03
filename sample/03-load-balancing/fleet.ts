import type { INestApplication } from '@nestjs/common';
import { generate } from 'selfsigned';
import { Balancer } from './balancer.js';
import { freePort } from '../parts/free-port.js';
import { startFront } from './front.js';
import { type ServerName, ServerProcess } from './server-process.js';

/** The three servers, each in a process of its own, and the front app in this one. */
export class Fleet {
  private constructor(
    readonly servers: Readonly<Record<ServerName, ServerProcess>>,
    readonly front: INestApplication,
    /** Where visitors go. */
    readonly url: string,
  ) {}

  /** Starts all, on well-known ports where they are free or on any, and waits until every server can be asked. */
  static async start(anyPorts: boolean): Promise<Fleet> {
    const certificate = await createCertificate();
    const serverAt = async (name: ServerName, port: number): Promise<ServerProcess> =>
      new ServerProcess(name, await freePort(anyPorts ? undefined : port), certificate);
    const servers = {
      a: await serverAt('a', 8443),
      b: await serverAt('b', 8444),
      c: await serverAt('c', 8445),
    };
    const { a, b, c } = servers;
    let front: INestApplication | undefined;
    try {
      await Promise.all([a.start(), b.start(), c.start()]);
      const addresses = { a: a.address, b: b.address, c: c.address };
      const port = await freePort(anyPorts ? undefined : 8080);
      front = await startFront({ addresses, ca: certificate.cert }, port);
      const fleet = new Fleet(servers, front, await front.getUrl());
      await Promise.all([a, b, c].map(({ id }) => fleet.whenServing(id)));
      return fleet;
    } catch (error) {
      await front?.close();
      await Promise.all([a.stop(), b.stop(), c.stop()]);
      throw error;
    }
  }

  /** Resolves when the front can ask a server. */
  async whenServing(name: ServerName): Promise<void> {
    const backEnds = this.front.get(Balancer).backEnds;
    await backEnds.find((backEnd) => backEnd.name === name)?.whenReady();
  }

  /** Brings back whatever server stops by itself. */
  supervise(): void {
    for (const server of Object.values(this.servers)) server.supervise();
  }

  /** Lets requests finish, then stops everything. */
  async stop(): Promise<void> {
    await this.front.close();
    await Promise.all(Object.values(this.servers).map((server) => server.stop()));
  }
}

/** In production it comes from your authority; this one is made at start and known to the front. */
async function createCertificate(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  return { key, cert };
}
