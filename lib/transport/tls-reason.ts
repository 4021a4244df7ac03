/** What OpenSSL says of common mistakes, in words of the options. */
const REASONS: Readonly<Record<string, string>> = {
  'key values mismatch': 'key is not the key of cert',
  unsupported: 'key is no private key in PEM, or needs another passphrase',
  'bad decrypt': 'key needs another passphrase',
  'no start line': 'no PEM in it',
  'no cipher match': 'ciphers: none of them is known',
};

/** What TLS did not like, in a few words: Node shows OpenSSL's line with thread, function and source file. */
export function reasonOf({ message }: Error): string {
  const line = /(?:\w+ EPROTO )?(?:[0-9A-F]+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)(?::.*)?$/s;
  return message.replace(line, (_, reason: string) => REASONS[reason] ?? `TLS: ${reason}`);
}
