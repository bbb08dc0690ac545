import { readFile } from 'node:fs/promises';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { type Acl, parseAcl } from './acl-file.ts';
import { addressKey, isOwnMachine } from './address.ts';
import { createLoginBackOff } from './login-back-off.ts';
import { openReloading } from './reloading.ts';
import { type Rules, rulesOf } from './rules.ts';
import { readUsersFile, type Users, userNameProblem } from './users-file.ts';
import { createVerifier } from './verifier.ts';

/** Who wants in, and with what. */
export interface LoginAttempt {
  readonly address: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The name of a client certificate that was verified, where that is the user name. */
  readonly certificateName?: string | undefined;
}

/** `later`: not judged, because too many wait or the address has guessed too often. */
export type LoginAnswer =
  | { readonly kind: 'in'; readonly user: string | undefined; readonly proof: string }
  | { readonly kind: 'out'; readonly why: string }
  | { readonly kind: 'later'; readonly why: string };

/** Who may come in, and what each may do; follows the files it is read from. */
export interface Access extends Disposable {
  /** Whether there are users, so that a client needs a name and a password. Never turns back. */
  readonly guarded: boolean;
  login(attempt: LoginAttempt): Promise<LoginAnswer>;
  /** Whether what a client came in with still counts: the same `proof` as `login` gave. */
  stillIn(user: string | undefined, proof: string, address: string | undefined): boolean;
  /** The client's rules; undefined where everything is allowed. */
  rulesOf(user: string | undefined, clientId: string): Rules | undefined;
  /** Called when users or rules have changed. Returns how to stop. */
  onChange(listener: () => void): () => void;
}

export interface AccessOptions {
  /** File of `ledge user`; need not be there. */
  readonly usersFile?: string | undefined;
  readonly aclFile?: string | undefined;
  /** Lets clients of this machine in without a name although there are users. Default false. */
  readonly allowAnonymous?: boolean | undefined;
  readonly clock: Clock;
  readonly reloadMs?: number | undefined;
  readonly tell: (problem: LedgeError) => void;
  /** Told of what went well: users were read again. */
  readonly note?: ((text: string) => void) | undefined;
}

const NOBODY: Users = new Map();
const CERTIFICATE = 'certificate';
const ANONYMOUS = 'anonymous';

/** Reads users and rules. Fails with `config-invalid` for a file that cannot be used. */
export async function openAccess(options: AccessOptions): Promise<Access> {
  const { usersFile, aclFile, allowAnonymous = false, clock, tell } = options;
  const listeners = new Set<() => void>();
  const backOff = createLoginBackOff(clock);
  const verifier = createVerifier(clock);
  let guarded = false;

  const follow = { onProblem: tell, clock, ...everyMs(options.reloadMs) };
  const changed = (what: string) => () => {
    guarded ||= users.value.size > 0;
    options.note?.(`Read the ${what} again`);
    for (const listener of listeners) listener();
  };
  const users = await openReloading<Users>({
    ...follow,
    paths: usersFile === undefined ? [] : [usersFile],
    load: async () => loadUsers(usersFile, guarded),
    onChange: changed('users file'),
  });
  const acl = await openReloading<Acl | undefined>({
    ...follow,
    paths: aclFile === undefined ? [] : [aclFile],
    load: async () => (aclFile === undefined ? undefined : await readAcl(aclFile)),
    onChange: changed('access control list'),
  }).catch((error: unknown) => {
    users.stop();
    throw error;
  });
  guarded = users.value.size > 0;

  function anonymous(address: string | undefined): boolean {
    return !guarded || (allowAnonymous && isOwnMachine(address));
  }

  async function verified(attempt: LoginAttempt, user: string): Promise<LoginAnswer> {
    const address = addressKey(attempt.address);
    const pauseMs = backOff.pauseMs(address, user);
    if (pauseMs > 0) {
      const seconds = Math.ceil(pauseMs / 1000);
      return { kind: 'later', why: `too many wrong logins; try again in ${seconds} s` };
    }
    const stored = users.value.get(user);
    const verification = await verifier.verify(attempt.password ?? '', stored);
    if (verification === 'right' && stored !== undefined) {
      // The file may have changed while the hash was computed.
      if (users.value.get(user) !== stored) return { kind: 'out', why: 'the user has changed' };
      backOff.succeeded(address, user);
      return { kind: 'in', user, proof: stored };
    }
    if (verification === 'busy') return { kind: 'later', why: 'too many logins wait' };
    const nextMs = backOff.failed(address, user);
    const wait = nextMs > 0 ? `; the next is judged in ${nextMs / 1000} s` : '';
    return { kind: 'out', why: `wrong user name or password${wait}` };
  }

  return {
    get guarded() {
      return guarded;
    },
    async login(attempt) {
      const { certificateName, username, address } = attempt;
      if (certificateName !== undefined) {
        const problem = userNameProblem(certificateName);
        if (problem !== undefined)
          return { kind: 'out', why: `the certificate's name: ${problem}` };
        return { kind: 'in', user: certificateName, proof: CERTIFICATE };
      }
      if (!guarded) return { kind: 'in', user: undefined, proof: ANONYMOUS };
      if (username !== undefined) return verified(attempt, username);
      if (anonymous(address)) return { kind: 'in', user: undefined, proof: ANONYMOUS };
      return { kind: 'out', why: 'a user name and a password are needed' };
    },
    stillIn(user, proof, address) {
      if (proof === CERTIFICATE) return true;
      if (user === undefined) return anonymous(address);
      return users.value.get(user) === proof;
    },
    rulesOf(user, clientId) {
      return acl.value === undefined ? undefined : rulesOf(acl.value, { user, clientId });
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    [Symbol.dispose]() {
      users.stop();
      acl.stop();
    },
  };
}

/** A users file that is gone is a mistake once there were users, and none before. */
async function loadUsers(path: string | undefined, guarded: boolean): Promise<Users> {
  if (path === undefined) return NOBODY;
  const users = await readUsersFile(path);
  if (users === undefined && guarded) {
    const message = `Cannot read the users file ${path}: it is gone`;
    throw new LedgeError('config-invalid', message, { context: { file: path } });
  }
  return users ?? NOBODY;
}

async function readAcl(path: string): Promise<Acl> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const message = `Cannot read the access control list: ${(error as Error).message}`;
    throw new LedgeError('config-invalid', message, { context: { file: path } });
  }
  return parseAcl(text, path);
}

function everyMs(given: number | undefined): { readonly everyMs?: number } {
  return given === undefined ? {} : { everyMs: given };
}
