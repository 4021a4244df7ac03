/** One end of the matrix: it opens pools of both roles. Ours and foreign ones look the same. */
export interface Peer {
  server(options: PeerServerOptions): Promise<PeerPool>;
  client(options: PeerClientOptions): Promise<PeerPool>;
}

/** What every peer's server pool takes. */
export interface PeerServerOptions {
  capacity: number;
  /** Default: 127.0.0.1. */
  host?: string;
  /** Default: any free one. */
  port?: number;
  /** Files with PEM. Without them the pool speaks plain ws. */
  cert?: string;
  key?: string;
  /** The only address that may connect. */
  clientIP?: string;
  /**
   * How many bytes follow each ID at once, at most 32 KiB: `seededBytes` of the ID's number. If any, a connection is
   * named when somebody asks for any connection, and not before. Default 0.
   */
  early?: number;
  /** Whether the 101, the ID and the early bytes leave in one segment. Default false. */
  cork?: boolean;
}

/** What every peer's client pool takes. */
export interface PeerClientOptions {
  address: string;
  /** NPWS's codes: plain ws, TLS unverified, TLS verified. */
  tls: '0' | '1' | '2';
  capacity: number;
  /** The pause between two rounds of dialling in milliseconds. Default 10. */
  interval?: number;
}

/** A pool of a peer. Times are in milliseconds. */
export interface PeerPool {
  /** Where a server listens; 0 for a client. */
  readonly port: number;
  incomingGet(timeout?: number): Promise<PeerConnection>;
  outgoingGet(connectionId: string, timeout?: number): Promise<PeerConnection>;
  /** Resolves with the number of idle connections when it is within bounds; rejects when it is not in time. */
  untilActive(bounds: { atLeast?: number; atMost?: number }, timeout?: number): Promise<number>;
  close(): Promise<void>;
}

/** A connection taken from a peer's pool. */
export interface PeerConnection {
  readonly id: string;
  /** The version of the protocol, if the peer knows of more than one. */
  readonly protocol?: 1 | 2;
  /** Sends and receives at once. Who closes does so as soon as all that was promised is there; the other reads on to the end. */
  exchange(work: Exchange): Promise<Exchanged>;
  /** Sends `seededBytes` in messages of at most `chunk` bytes. Rejects when the connection breaks. */
  write(bytes: number, seed: number, chunk?: number): Promise<void>;
  /** Reads at least this many bytes more, or to the end. The answer counts from the connection's first byte. */
  read(bytes?: number): Promise<Received>;
  /** Closes with 1000. */
  end(): Promise<void>;
  /** Drops the socket without a word. */
  cut(): Promise<void>;
}

export interface Exchange {
  send: number;
  seed: number;
  chunk?: number;
  receive: number;
  close: boolean;
}

/** All that a connection received so far. */
export interface Received {
  bytes: number;
  /** In hex. */
  sha256: string;
  /** 'eof' for a clean end, '' when it has not ended, else the error's text. */
  ended: string;
  /** How many pings were read, if the peer counts them. */
  pings?: number;
}

export interface Exchanged extends Received {
  sent: number;
  sendError?: string;
  closeError?: string;
}
