'use strict';

// The one file that is CommonJS: an optional package can be asked for at once only here, wherever this package runs. An
// ES module would need `import.meta`, which an application that Jest transforms to CommonJS doesn't have.

/**
 * XORs bytes in place with a key of 4 bytes, again and again (RFC 6455, section 5.3).
 * @typedef {(bytes: Uint8Array, key: Uint8Array) => void} Mask
 */

/**
 * What bufferutil masks and unmasks with, or null where it is missing or has no binary for this platform.
 * @type {Mask | null}
 */
exports.nativeMask = load();

function load() {
  // As in `ws`.
  if (process.env['WS_NO_BUFFER_UTIL']) return null;
  try {
    const { unmask } = require('bufferutil');
    // Without a binary it brings a fallback of its own, a byte at a time.
    return /\[native code\]/.test(Function.prototype.toString.call(unmask)) ? unmask : null;
  } catch {
    return null;
  }
}
