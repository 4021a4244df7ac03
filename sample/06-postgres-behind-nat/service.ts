/** A service behind the NAT, and its ordinary client. */
export interface Service extends AsyncDisposable {
  /** Its name and version. */
  readonly what: string;
  /** Where it listens on loopback. */
  readonly port: number;
  /** A command that opens it at another port. */
  commandFor(port: number): string;
  /** A client's session at a port: the service's own, or one that leads there. */
  open(port: number): Promise<Session>;
}

/** One client that has logged in, or whatever its service calls it. */
export interface Session {
  /** Asks something small, and tells whether the answer is right. */
  ask(question: number): Promise<boolean>;
  /** Asks for many MiB, and tells whether all of them came. Rejects when they were cut. */
  readMuch(): Promise<boolean>;
  close(): Promise<void>;
}
