/** One client of the service that has logged in, or whatever its service calls it. */
export interface Session {
  /** Asks something small, and tells whether the answer is right. */
  ask(question: number): Promise<boolean>;
  /** Asks for many MiB, and tells whether all of them came. Rejects when they were cut. */
  readMuch(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens a session at a port of this machine. */
export type Open = (port: number) => Promise<Session>;
