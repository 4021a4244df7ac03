// Who is measured.

export const OURS = 'nestjs-npws';
/** The same, watched by Prometheus and OpenTelemetry, which collect every second. */
export const WATCHED = 'nestjs-npws with metrics';
export const UNWATCHED = 'nestjs-npws without';
export const TLS = 'raw TLS';
export const TCP = 'TCP';
export const TLS_RESUMED = 'raw TLS, resumed';
/** `ws` as it comes. */
export const WS = 'ws';
export const WS_STREAM = 'createWebSocketStream';
/** The Go peer of the interop tests, on NPWS's WebSocket library, or whatever INTEROP_PEER names. */
export const GO_PEER = 'Go peer';
export const GO_TLS = 'raw TLS in Go';
/** Two processes in Node that carry TCP connections on, without TLS or WebSockets. */
export const RELAY = 'TCP relay';
/** The same with TLS between the two. */
export const TLS_RELAY = 'TLS relay';
