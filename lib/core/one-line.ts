/** What comes from outside is cut to this many characters in messages. */
const MAX_LENGTH = 128;

/** A text from outside on one line, whatever was sent: control and formatting characters escaped, cut to a length. */
export function onOneLine(text: string): string {
  const escaped = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
  return escaped.length > MAX_LENGTH ? `${escaped.slice(0, MAX_LENGTH)}…` : escaped;
}
