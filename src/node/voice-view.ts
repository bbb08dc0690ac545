import type { EntityDeclaration, FlowView } from '../integrations/homeassistant/flow-view.ts';
import type { VoiceConfig } from '../integrations/voice/options.ts';

/** The name that voice sessions have among the flows: that of their topics. */
const NAME = 'voice';

/** The sites that are spoken in, shown in Home Assistant as the devices of a flow are. */
export function voiceView({ sites, intents }: VoiceConfig, base: string): FlowView {
  return {
    name: NAME,
    running: true,
    kind: 'voice',
    devices: Object.keys(sites),
    shape: {
      entities: entitiesOf(Object.keys(intents)),
      ...{ of: NAME, labels: undefined, pictures: false, encoding: 'json' },
      results: `${base}/${NAME}/{device}`,
      events: 'ledge/in/voice/{device}',
    },
  };
}

function entitiesOf(commands: readonly string[]): readonly EntityDeclaration[] {
  const site = '{"site": "{device}"}';
  const when = (condition: string, then: string) => `{% if ${condition} %}${then}{% endif %}`;
  const known = commands.map((text) => `'${text.replace(/[\\']/g, '\\$&')}'`).join(', ');
  const fired =
    '{"event_type": {{ value_json.label | to_json }}, "score": {{ value_json.score }} }';
  const command: EntityDeclaration = {
    ...{ platform: 'event', name: 'Command', enabled: true, eventTypes: commands },
    valueTemplate: when(
      "value_json.type == 'command'",
      when(`value_json.label in [${known}]`, fired),
    ),
  };
  const phase = (type: string, state: string) => `{{ '${state}' if value_json.type == '${type}' }}`;
  return [
    ...(commands.length === 0 ? [] : [command]),
    {
      ...{ platform: 'binary_sensor', name: 'Listening', enabled: true },
      valueTemplate: `${phase('session-started', 'ON')}${phase('session-ended', 'OFF')}`,
    },
    {
      ...{ platform: 'switch', name: 'Wake word', enabled: true, category: 'config' },
      command: {
        ...{ request: 'voice/set', payload: '{}' },
        on: '{"site": "{device}", "enabled": true}',
        off: '{"site": "{device}", "enabled": false}',
      },
    },
    button('Listen now', 'voice/listen', site),
    button('That was not for me', 'voice/not-me', site),
  ];
}

function button(name: string, request: string, payload: string): EntityDeclaration {
  const command = { request, payload, on: '', off: '' };
  return { platform: 'button', name, enabled: true, category: 'config', command };
}
