import { join } from 'node:path';
import { openVoice } from '../integrations/voice/open-voice.ts';
import { openStateFiles } from '../store/state-files.ts';
import type { NodeConfig } from './config.ts';
import type { IntegrationParts } from './open-integrations.ts';

/** Opens voice sessions where they are configured; what they learn is kept in the data folder. */
export async function openNodeVoice(
  { voice, data }: NodeConfig,
  { bus, base, flows, control, clock, log, teardown }: IntegrationParts,
): Promise<void> {
  if (voice === undefined) return;
  const folder = join(data, 'voice');
  const learned = await openStateFiles(join(folder, 'learned'), (file, error) =>
    log.warn('What a site learned does not parse', { file, error: String(error) }),
  );
  const opened = await openVoice(voice, {
    ...{ bus, base, clock, log, learned },
    clipsFolder: join(folder, 'not-me'),
    flowRuns: (name) => flows.runners().some(({ loaded }) => loaded.parts.name === name),
    offer: control.offer,
  });
  teardown.add('voice sessions', () => opened[Symbol.asyncDispose]());
}
