import { isIP } from 'node:net';

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
/** A provider gives every customer at least this much of IPv6: one who counts addresses counts these. */
const IPV6_NETWORK_GROUPS = 4;

/**
 * What connections and failed logins are counted by: an IPv4 address, or the /64 network of an IPv6
 * one, in which a single machine takes any address it likes. `unknown` where there is none.
 */
export function addressKey(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return 'unknown';
  const plain = remoteAddress.replace(/%.*$/, '');
  const mapped = MAPPED.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(plain) !== 6 || plain === '::1') return plain;
  return `${groupsOf(plain).slice(0, IPV6_NETWORK_GROUPS).join(':')}::/64`;
}

/** Whether the other end of a connection is this machine itself. */
export function isOwnMachine(remoteAddress: string | undefined): boolean {
  const key = addressKey(remoteAddress);
  return key === '::1' || (isIP(key) === 4 && key.startsWith('127.'));
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [before = '', after] = address.toLowerCase().split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const missing = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  return [...head, ...new Array<string>(missing).fill('0'), ...tail].map((group) =>
    group.replace(/^0+(?=.)/, ''),
  );
}
