import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Endings that no public name server answers for. */
const LOCAL_ENDINGS = ['.localhost', '.local', '.lan', '.internal', '.home.arpa'];

/**
 * Whether a Host header can only mean a machine that the asker chose by address or local name. A page of
 * another site whose name was pointed at this machine (DNS rebinding) sends its public name.
 */
export function isOwnHost(header: string | undefined): boolean {
  if (header === undefined) return false;
  const url = `http://${header}`;
  if (!URL.canParse(url)) return false;
  const name = new URL(url).hostname.toLowerCase();
  if (name.startsWith('[') || isIP(name) !== 0 || !name.includes('.')) return name !== '';
  return name === hostname().toLowerCase() || LOCAL_ENDINGS.some((end) => name.endsWith(end));
}
