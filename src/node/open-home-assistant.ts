import type { FlowView, NodeFigures } from '../integrations/homeassistant/flow-view.ts';
import { openHomeAssistant } from '../integrations/homeassistant/open-home-assistant.ts';
import type { NodeConfig } from './config.ts';
import { resultPattern } from './flow-clash.ts';
import type { LoadedFlow } from './flow-load.ts';
import type { Flows } from './flows.ts';
import type { IntegrationParts } from './open-integrations.ts';
import { voiceView } from './voice-view.ts';

/** Opens Home Assistant's discovery where it is configured. */
export async function openNodeHomeAssistant(
  { node, homeassistant, voice }: NodeConfig,
  { bus, base, version, flows, clock, log, teardown, readCelsius }: IntegrationParts,
): Promise<void> {
  if (homeassistant === undefined) return;
  const opened = await openHomeAssistant(homeassistant, {
    ...{ bus, node, base, version, clock, readCelsius },
    flows: () => [
      ...viewsOf(flows, base),
      ...(voice === undefined ? [] : [voiceView(voice, base)]),
    ],
    figures: createFigures(flows),
    warn: (message, fields) => log.warn(message, fields),
  });
  teardown.add('Home Assistant', () => opened[Symbol.asyncDispose]());
}

function viewsOf(flows: Flows, base: string): readonly FlowView[] {
  return flows.list().map(({ name, state }) => {
    const flow = flows.loaded(name);
    const shape = flow === undefined ? undefined : shapeOf(flow, base);
    return { name, running: state === 'running', kind: 'flow', devices: [], shape };
  });
}

/** What can be shown of a flow, from its file and the type of its results. */
export function shapeOf(flow: LoadedFlow, base: string): NonNullable<FlowView['shape']> {
  const { file, parts, intake } = flow;
  return {
    entities: file.entity,
    of: parts.output.of,
    labels: parts.output.labels,
    pictures: parts.steps[0]?.stage === 'image',
    results: resultPattern(flow, base),
    events: intake.pattern.pattern,
    encoding: parts.sink.encoding,
  };
}

/** Figures since the last call, as the steps and the wire count them. */
function createFigures(flows: Flows): () => NodeFigures {
  let before = { events: 0, totalMs: 0 };
  return () => {
    let queued = 0;
    let steppedDown = 0;
    const now = { events: 0, totalMs: 0 };
    for (const runner of flows.runners()) {
      queued += runner.queued.events;
      now.events += runner.plan.steps[0]?.count.calls ?? 0;
      for (const { count, compiled } of runner.plan.steps) {
        now.totalMs += count.totalMs;
        const { at, best } = compiled.ladder?.rungs ?? { at: 0, best: 0 };
        steppedDown += Math.max(0, at - best);
      }
    }
    let dropped = 0;
    for (const counts of flows.counts().values()) {
      for (const count of Object.values(counts.dropped)) dropped += count;
    }
    // A flow that was reloaded counts from nothing: that time tells nothing.
    const events = now.events - before.events;
    const totalMs = now.totalMs - before.totalMs;
    before = now;
    const latencyMs =
      events > 0 && totalMs >= 0 ? Math.round((totalMs / events) * 1e3) / 1e3 : undefined;
    return { queued, dropped, steppedDown, latencyMs };
  };
}
