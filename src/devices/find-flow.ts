import type { Bus } from '../bus/bus.ts';
import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { type FlowTopics, parseObject } from './exchange.ts';

/** A retained list comes at once after subscribing; a node elsewhere may take this long. */
const ANSWER_MS_MAX = 3000;
/** After the first node's list, the others' are waited for this long. */
const OTHERS_MS = 200;

const listSchema = z.object({
  flows: z.array(
    z.object({
      name: z.string(),
      in: z.string().optional(),
      out: z.string().optional(),
      state: z.string().optional(),
    }),
  ),
});

/** Which flow is looked for. Where a name is missing, there must be only one to choose. */
export interface FlowWanted {
  readonly flow: string | undefined;
  readonly node: string | undefined;
}

/**
 * Finds a running flow by what the nodes of a broker publish on `ledge/<node>/bridge/flows`.
 * Fails with `unavailable` where no node answers, `not-found` with the flows there are.
 */
export async function findFlow(bus: Bus, { flow, node }: FlowWanted): Promise<FlowTopics> {
  const found = await listFlows(bus);
  if (found.length === 0) {
    throw new LedgeError('unavailable', `No node answers on ${bus.address}; is one running?`);
  }
  const fitting = found.filter(
    (topics) =>
      (flow === undefined || topics.flow === flow) && (node === undefined || topics.node === node),
  );
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  const wanted = flow === undefined ? 'a flow' : `flow "${flow}"`;
  const there = found.map((topics) => `${topics.flow} of node ${topics.node}`).join(', ');
  const state = only === undefined ? 'none fits' : 'several fit, name flow and node';
  throw new LedgeError('not-found', `Cannot choose ${wanted}: ${state}; there are ${there}`, {
    context: { flow, node },
  });
}

/** The running flows of every node that has said so on this broker. */
async function listFlows(bus: Bus): Promise<FlowTopics[]> {
  const nodes = new Map<string, FlowTopics[]>();
  let answered = () => {};
  const answer = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const subscription = await bus.subscribe('ledge/+/bridge/flows', { qos: 1 }, (delivery) => {
    delivery.accept();
    const { topic, payload } = delivery.message;
    const node = topic.split('/')[1] as string;
    const list = listSchema.safeParse(parseObject(payload));
    if (list.success) nodes.set(node, runningOf(node, list.data.flows));
    delivery.settle();
    setTimeout(answered, OTHERS_MS);
  });
  const limit = setTimeout(answered, ANSWER_MS_MAX);
  await answer;
  clearTimeout(limit);
  await subscription.close();
  return [...nodes.values()].flat();
}

type Listed = z.infer<typeof listSchema>['flows'];

function runningOf(node: string, flows: Listed): FlowTopics[] {
  return flows.flatMap(({ name, in: input, out, state = 'running' }) =>
    input === undefined || out === undefined || state !== 'running'
      ? []
      : [{ node, flow: name, in: input, out }],
  );
}
