import type { EntityDeclaration, FlowShape } from './flow-view.ts';

/** More words than this are no list to choose from. */
const WORDS_MAX = 256;

const score: EntityDeclaration = {
  platform: 'sensor',
  name: 'Score',
  value: 'score',
  stateClass: 'measurement',
  precision: 3,
  enabled: true,
};

const quiet = { category: 'diagnostic', enabled: false } as const;

const latency: EntityDeclaration = {
  platform: 'sensor',
  name: 'Latency',
  valueTemplate: '{{ value_json.timing.totalMs }}',
  deviceClass: 'duration',
  stateClass: 'measurement',
  unit: 'ms',
  precision: 1,
  ...quiet,
};

/** The entities of a flow: declared, or by the kind of result; and how long its steps took. */
export function entitiesOf(shape: FlowShape): readonly EntityDeclaration[] {
  const own = shape.entities ?? defaultEntities(shape);
  const sendable = own.filter(({ platform }) => platform !== 'event' || shape.encoding === 'json');
  // Sessions of voice have no steps that take time.
  return own.length === 0 || shape.of === 'voice' ? sendable : [...sendable, latency];
}

/** Labels that are worth an event: not those that say that nothing was there. */
export function eventLabels(labels: readonly string[] | undefined): readonly string[] {
  return (labels ?? []).filter((label) => !/^_.*_$/.test(label)).slice(0, WORDS_MAX);
}

function defaultEntities(shape: FlowShape): readonly EntityDeclaration[] {
  const { labels = [] } = shape;
  switch (shape.of) {
    case 'classification':
      return [
        {
          platform: 'sensor',
          name: 'Label',
          value: 'label',
          enabled: true,
          ...(labels.length > 0 && labels.length <= WORDS_MAX && { options: labels }),
        },
        { ...score, ...quiet },
        ...(eventLabels(labels).length === 0
          ? []
          : [{ platform: 'event', name: 'Event', value: 'label', enabled: true } as const]),
      ];
    case 'activity':
      return [
        { platform: 'binary_sensor', name: 'Active', value: 'active', enabled: true },
        { ...score, ...quiet },
      ];
    case 'anomaly':
      return [
        score,
        {
          platform: 'binary_sensor',
          name: 'Problem',
          value: 'anomaly',
          deviceClass: 'problem',
          enabled: true,
        },
      ];
    case 'detections':
    case 'regions':
      return [
        {
          platform: 'sensor',
          name: shape.of === 'regions' ? 'Regions' : 'Objects',
          valueTemplate: `{{ value_json.result.${shape.of} | length }}`,
          stateClass: 'measurement',
          enabled: true,
        },
        ...(shape.pictures ? [{ platform: 'image', name: 'Picture', ...quiet } as const] : []),
      ];
    default:
      return [];
  }
}
