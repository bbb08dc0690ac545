const TOKEN = /<!DOCTYPE html>|<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y;
const TEXT = /^(?:[^&<]|&(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-f]+);)*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none of these.
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F]|\p{Cs}/u;

/** Why a text is no well-formed XML; undefined where it is. */
export function xmlProblem(text: string): string | undefined {
  const open: string[] = [];
  if (FORBIDDEN.test(text)) return 'a character that XML has not';
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return `no markup at ${from}: ${text.slice(from, from + 80)}`;
    const [whole, closing, name, attributes = '', alone, content = ''] = match;
    if (!TEXT.test(attributes) || !TEXT.test(content)) return `a bare sign in ${whole}`;
    if (name === undefined || alone === '/') continue;
    if (closing !== '/') open.push(name);
    else if (open.pop() !== name) return `${whole} closes another`;
  }
  return open.length === 0 ? undefined : `${open.at(-1)} is not closed`;
}
