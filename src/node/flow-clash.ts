import { join } from 'node:path';
import type { Problem } from '../std/yaml.ts';
import type { LoadedFlow } from './flow-load.ts';

/** The topic pattern of a flow's results. */
export function resultPattern({ parts }: LoadedFlow, base: string): string {
  return parts.sink.topic ?? `${base}/${parts.name}/{device}`;
}

/** Two flows must not publish on one topic, and none may take what it gives. */
export function findClash(
  loaded: LoadedFlow,
  { others, base, folder }: { others: readonly LoadedFlow[]; base: string; folder: string },
): Problem | undefined {
  const file = join(folder, 'flow.yaml');
  const out = resultPattern(loaded, base);
  for (const other of others) {
    if (resultPattern(other, base) !== out) continue;
    const expected = `a topic that flow "${other.parts.name}" does not publish on`;
    return { file, line: undefined, field: 'sink.topic', value: out, expected };
  }
  const { pattern } = loaded.intake;
  if (pattern.deviceOf(out.replace('{device}', 'device')) === undefined) return undefined;
  const expected = "a topic that is not the flow's own result topic";
  return { file, line: undefined, field: 'source.topic', value: pattern.pattern, expected };
}
