import { join } from 'node:path';
import type { Problem } from '../std/yaml.ts';
import type { LoadedFlow } from './flow-load.ts';

/** The topic pattern of a flow's results. */
export function resultPattern({ parts }: LoadedFlow, base: string): string {
  return parts.sink.topic ?? `${base}/${parts.name}/{device}`;
}

/** Two flows must not publish on one topic, and none may take what it gave, also not by others. */
export function findClash(
  loaded: LoadedFlow,
  { others, base, folder }: { others: readonly LoadedFlow[]; base: string; folder: string },
): Problem | undefined {
  const at = (field: string, value: string, expected: string): Problem => {
    return { file: join(folder, 'flow.yaml'), line: undefined, field, value, expected };
  };
  const out = resultPattern(loaded, base);
  const twin = others.find((other) => resultPattern(other, base) === out);
  if (twin !== undefined) {
    return at('sink.topic', out, `a topic that flow "${twin.parts.name}" does not publish on`);
  }
  const circle = findCircle(loaded, others, base);
  if (circle === undefined) return undefined;
  const way = circle.length === 1 ? "the flow's own" : `fed by the flow (${circle.join(' -> ')})`;
  const expected = `a topic that is not ${way} result topic`;
  return at('source.topic', loaded.intake.pattern.pattern, expected);
}

/** The names of flows through which a flow's results come back to it; undefined where none do. */
function findCircle(
  loaded: LoadedFlow,
  others: readonly LoadedFlow[],
  base: string,
): readonly string[] | undefined {
  const feeds = (from: LoadedFlow, to: LoadedFlow) => {
    const topic = resultPattern(from, base).replace('{device}', 'device');
    return to.intake.pattern.deviceOf(topic) !== undefined;
  };
  const seen = new Set<LoadedFlow>();
  const ways = [{ flow: loaded, names: [loaded.parts.name] }];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const { flow, names } = way;
    if (feeds(flow, loaded)) return names;
    for (const next of others) {
      if (seen.has(next) || !feeds(flow, next)) continue;
      seen.add(next);
      ways.push({ flow: next, names: [...names, next.parts.name] });
    }
  }
  return undefined;
}
