import type { Case } from './case.ts';
import { CONNECT_CASES } from './cases-connect.ts';
import { MALFORMED_CASES } from './cases-malformed.ts';
import { PUBLISH_CASES } from './cases-publish.ts';
import { SESSION_CASES } from './cases-session.ts';
import { SUBSCRIBE_CASES } from './cases-subscribe.ts';

/** Every case of the table, both versions. */
export const ALL_CASES: readonly Case[] = [
  ...CONNECT_CASES,
  ...PUBLISH_CASES,
  ...SUBSCRIBE_CASES,
  ...SESSION_CASES,
  ...MALFORMED_CASES,
];

/** The name of a case in reports. */
export function nameOf({ version, clause, part, title }: Case): string {
  return `${version === 4 ? '3.1.1' : '5'} ${part} [${clause}]: ${title}`;
}
