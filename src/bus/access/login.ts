import type { LoginAnswer } from './access.ts';
import { addressKey } from './address.ts';
import { peerName } from './peer.ts';
import { clientName, type Hall, shortened, type Visitor } from './visitor.ts';

/** CONNACK codes of MQTT 3.1.1; the broker's library translates them for MQTT 5. */
const REFUSED = { later: 3, out: 4, denied: 5 } as const;
/** DISCONNECT of MQTT 5: an administrative action. */
const ADMINISTRATIVE_ACTION = 0x98;

/** Name and password of a CONNECT. */
export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Why a client is refused, and the code that it gets. */
export interface Refusal {
  readonly code: (typeof REFUSED)[keyof typeof REFUSED];
  readonly problem: string;
}

/** Lets a visitor in, or says with which code it is refused. */
export async function logIn(
  hall: Hall,
  visitor: Visitor,
  { username, password }: Credentials,
): Promise<Refusal | undefined> {
  const { address, certificateName } = visitor.peer;
  if (hall.access === undefined) return undefined;
  const answer = await hall.access.login({ address, username, password, certificateName });
  const problem = answer.kind === 'in' ? objection(hall, visitor, answer.user) : answer.why;
  if (answer.kind === 'in' && problem === undefined) {
    letIn(hall, visitor, answer);
    return undefined;
  }
  const who = `${clientName(visitor.client)} from ${peerName(visitor.peer)}`;
  hall.say(
    `login ${addressKey(address)} ${answer.kind}`,
    `Refused the login of ${who}: ${problem}`,
  );
  const named = answer.kind !== 'in' && username !== undefined;
  return { code: named ? REFUSED[answer.kind] : REFUSED.denied, problem: String(problem) };
}

/** Puts out those whose user is gone or has another password, and looks up everyone's rules again. */
export function recheck({ access, inside, say }: Hall): void {
  for (const visitor of inside.values()) {
    const { login, peer, client } = visitor;
    visitor.rules = undefined;
    if (login === undefined || access === undefined) continue;
    if (access.stillIn(login.user, login.proof, peer.address)) continue;
    say(`out ${client.id}`, `Closed the connection of ${clientName(client)}: its user has changed`);
    client.disconnect({ reasonCode: ADMINISTRATIVE_ACTION });
  }
}

/** Why a client that proved who it is may not come in all the same. */
function objection(hall: Hall, visitor: Visitor, user: string | undefined): string | undefined {
  const { id, _will: will } = visitor.client;
  const before = hall.inside.get(id ?? '');
  if (before?.login !== undefined && before.login.user !== user) {
    return 'a client of another user is connected under this id';
  }
  if (will === undefined || will === null) return undefined;
  const rules = hall.access?.rulesOf(user, id ?? '');
  if (rules === undefined || rules.mayWrite(will.topic)) return undefined;
  return `it may not publish its will on "${shortened(will.topic)}"`;
}

function letIn(hall: Hall, visitor: Visitor, login: LoginAnswer & { kind: 'in' }): void {
  const id = visitor.client.id ?? '';
  visitor.login = login;
  hall.inside.set(id, visitor);
  visitor.client.conn.once('close', () => {
    if (hall.inside.get(id) === visitor) hall.inside.delete(id);
  });
}
