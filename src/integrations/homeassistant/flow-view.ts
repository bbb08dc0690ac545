/** Kinds of entity that Ledge speaks of. */
export type EntityPlatform =
  | 'sensor'
  | 'binary_sensor'
  | 'event'
  | 'image'
  | 'camera'
  | 'update'
  | 'button'
  | 'switch'
  | 'select';

/** One entity as a flow declares it. */
export interface EntityDeclaration {
  readonly platform: EntityPlatform;
  readonly name: string;
  /** Path into the result. */
  readonly value?: string | undefined;
  readonly valueTemplate?: string | undefined;
  readonly on?: string | number | boolean | undefined;
  readonly deviceClass?: string | undefined;
  readonly stateClass?: string | undefined;
  readonly unit?: string | undefined;
  readonly precision?: number | undefined;
  readonly icon?: string | undefined;
  readonly category?: 'diagnostic' | 'config' | undefined;
  readonly enabled: boolean;
  readonly expireAfterSeconds?: number | undefined;
  readonly eventTypes?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
  readonly latest?: string | undefined;
  readonly image?: string | undefined;
  readonly command?: EntityCommand | undefined;
}

/** What an entity sends: to a request of the node, or to any topic. */
export interface EntityCommand {
  readonly request?: string | undefined;
  readonly topic?: string | undefined;
  readonly payload: string;
  readonly on: string;
  readonly off: string;
  readonly template?: string | undefined;
}

/** What is known of a flow whose file could be read. */
export interface FlowShape {
  readonly entities: readonly EntityDeclaration[] | undefined;
  /** Kind of result. */
  readonly of: string;
  readonly labels: readonly string[] | undefined;
  /** Whether its events are pictures. */
  readonly pictures: boolean;
  /** Topic patterns with {device}. */
  readonly results: string;
  readonly events: string;
  readonly encoding: 'json' | 'msgpack';
}

/** A flow, or the voice sessions, as this integration sees them. */
export interface FlowView {
  readonly name: string;
  readonly running: boolean;
  /** Whether it is one that can be switched off. */
  readonly kind: 'flow' | 'voice';
  /** Shown before their first result. */
  readonly devices: readonly string[];
  /** undefined: its file is refused; what is shown of it stays as it is. */
  readonly shape: FlowShape | undefined;
}

/** Figures of the node since the last time they were asked for. */
export interface NodeFigures {
  readonly queued: number;
  /** Since the node started. */
  readonly dropped: number;
  /** Rungs that models run below the one they started with, over all flows. */
  readonly steppedDown: number;
  /** Mean time of an event in the steps of its flow; undefined: there was none. */
  readonly latencyMs: number | undefined;
}
