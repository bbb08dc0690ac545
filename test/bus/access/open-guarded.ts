import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Access, openAccess } from '../../../src/bus/access/access.ts';
import { hashPassword } from '../../../src/bus/access/password.ts';
import { writeUsersFile } from '../../../src/bus/access/users-file.ts';
import { type BrokerOptions, type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import { temporaryFolder } from '../../harness/node.ts';
import { openRawClient, type RawClient } from '../../harness/raw-client.ts';

/** A broker with users whose password is their name, and what it told. */
export interface Guarded extends AsyncDisposable {
  readonly bus: EmbeddedBus;
  readonly access: Access;
  readonly problems: readonly LedgeError[];
  /** Moves the time by which files are looked at. */
  readonly clock: HandClock;
  /** Writes the list of rules anew and waits until it counts. */
  setAcl(text: string): Promise<void>;
  setUsers(names: readonly string[]): Promise<void>;
  connect(
    user: string | undefined,
    how?: Partial<Parameters<typeof openRawClient>[0]>,
  ): Promise<RawClient>;
}

const hashes = new Map<string, Promise<string>>();

async function usersOf(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const pairs = names.map(async (name) => {
    const hash = hashes.get(name) ?? hashPassword(name);
    hashes.set(name, hash);
    return [name, await hash] as const;
  });
  return new Map(await Promise.all(pairs));
}

/** Opens one on a free port, with these rules. */
export async function openGuarded(
  acl: string | undefined,
  options: BrokerOptions & { readonly users?: readonly string[] } = {},
): Promise<Guarded> {
  const { users = ['kitchen', 'cellar'], ...brokerOptions } = options;
  const folder = await temporaryFolder();
  const aclFile = acl === undefined ? undefined : join(folder, 'acl');
  const usersFile = join(folder, 'users.json');
  const problems: LedgeError[] = [];
  const clock = createHandClock();
  const tell = (problem: LedgeError) => void problems.push(problem);
  if (aclFile !== undefined) await writeFile(aclFile, acl ?? '');
  await writeUsersFile(usersFile, await usersOf(users));
  const access = await openAccess({ usersFile, aclFile, clock, tell });
  const bus = await openBroker({ port: 0, access, onProblem: tell, ...brokerOptions });

  async function changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      const stop = access.onChange(() => {
        stop();
        resolve();
      });
      clock.advance(2_000);
    });
  }

  return {
    bus,
    access,
    problems,
    clock,
    async setAcl(text) {
      await writeFile(aclFile ?? '', text);
      await changed();
    },
    async setUsers(names) {
      await writeUsersFile(usersFile, await usersOf(names));
      await changed();
    },
    connect(user, how = {}) {
      const login = user === undefined ? {} : { username: user, password: Buffer.from(user) };
      const connect = typeof how.connect === 'object' ? how.connect : {};
      const clientId = how.clientId ?? `of-${user}`;
      return openRawClient({
        port: bus.port,
        ...how,
        clientId,
        connect: { ...login, ...connect },
      });
    },
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      access[Symbol.dispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** Resolves when everything that was sent on this connection before has been dealt with. */
export async function roundTrip(client: RawClient): Promise<void> {
  const { length } = client.packets.filter(({ cmd }) => cmd === 'pingresp');
  client.send({ cmd: 'pingreq' });
  await client.count('pingresp', length + 1);
}
