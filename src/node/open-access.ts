import { join } from 'node:path';
import { type Access, openAccess } from '../bus/access/access.ts';
import { checkHost } from '../bus/listen.ts';
import { systemClock } from '../std/clock.ts';
import type { NodeConfig } from './config.ts';
import type { Log } from './log.ts';

/** Where the node's users are. */
export function usersFileOf({ broker, data }: Pick<NodeConfig, 'broker' | 'data'>): string {
  return broker.usersFile ?? join(data, 'users.json');
}

/**
 * Reads who may come in. Fails with `config-invalid` for a file that cannot be used, and for pages that
 * others could reach while there are no users.
 */
export async function openNodeAccess(config: NodeConfig, log: Log): Promise<Access> {
  const access = await openAccess({
    usersFile: usersFileOf(config),
    aclFile: config.broker.aclFile,
    allowAnonymous: config.broker.allowAnonymous,
    clock: systemClock,
    tell: (problem) => log.warn(problem.message, { code: problem.code }),
    note: (text) => log.info(text),
  });
  try {
    if (config.http.enabled) {
      checkHost({ host: config.http.host, guarded: access.guarded }, 'HTTP');
    }
  } catch (error) {
    access[Symbol.dispose]();
    throw error;
  }
  return access;
}
