/** What comes from outside is cut to this many characters in messages. */
const MAX_LENGTH = 256;

/** A text from outside on one line, whatever was sent: control and formatting characters escaped, cut to a length. */
export function onOneLine(text: string): string {
  const escaped = text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped.length > MAX_LENGTH ? `${escaped.slice(0, MAX_LENGTH)}…` : escaped;
}
