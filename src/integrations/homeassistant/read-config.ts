import { z } from '../../std/schema.ts';
import { type Identity, identityOf, ORIGIN } from './identity.ts';

/** A discovery payload larger than this is none of ours: 256 switches make some 120 kB. */
const CONFIG_BYTES_MAX = 1_048_576;

const configSchema = z.object({
  device: z.object({ identifiers: z.array(z.string()).min(1) }),
  origin: z.object({ name: z.literal(ORIGIN) }),
  components: z.record(z.string(), z.looseObject({ platform: z.string() })),
});

/** What a retained discovery payload of ours says. */
export interface ReadConfig {
  readonly identity: Identity;
  /** Platform of each component, by key. */
  readonly platforms: ReadonlyMap<string, string>;
}

/** Reads a discovery payload; undefined where it is somebody else's, or nothing that can be read. */
export function readConfig(payload: string): ReadConfig | undefined {
  if (payload.length > CONFIG_BYTES_MAX) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(payload);
  } catch {
    return undefined;
  }
  const parsed = configSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { device, components } = parsed.data;
  const identity = identityOf(device.identifiers[0] ?? '');
  if (identity === undefined) return undefined;
  const platforms = Object.entries(components).map(
    ([key, { platform }]) => [key, platform] as const,
  );
  return { identity, platforms: new Map(platforms) };
}

/**
 * The same payload with a bare platform for each component that the earlier one had and this one has
 * not, which tells Home Assistant to remove them; undefined where none went.
 */
export function removalOf(earlier: string, next: string): string | undefined {
  const before = readConfig(earlier)?.platforms ?? new Map<string, string>();
  const body = JSON.parse(next) as { components: Record<string, object> };
  const gone = [...before].filter(([key]) => body.components[key] === undefined);
  if (gone.length === 0) return undefined;
  const bare = Object.fromEntries(gone.map(([key, platform]) => [key, { platform }]));
  return JSON.stringify({ ...body, components: { ...body.components, ...bare } });
}
