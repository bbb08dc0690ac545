/** Every operating error of a node, by what a program would do about it. Decide by code, never by text. */
export type ErrorCode =
  | 'config-invalid' // ledge.yaml, LEDGE_*, --set
  | 'flow-invalid' // a flow file
  | 'model-invalid' // a model that does not parse, or does not match its manifest
  | 'model-refused' // a model that would fail in the runtime or kill the process
  | 'bundle-invalid' // a flow bundle that does not parse, or whose files are not those it names
  | 'bundle-untrusted' // a flow bundle that no trusted key signed
  | 'memory-exceeded' // a flow that does not fit the board's budget
  | 'payload-invalid' // bytes of an event that do not parse
  | 'payload-too-large'
  | 'shape-mismatch' // a tensor that does not fit where it goes
  | 'value-invalid' // a number that is not finite, a field that is missing
  | 'inference-failed'
  | 'timeout'
  | 'worker-crashed'
  | 'overflow'
  | 'expired'
  | 'closed'
  | 'unavailable' // the broker, a device, a program that is not there
  | 'address-in-use'
  | 'data-unwritable'
  | 'not-found'
  | 'unsupported'
  | 'internal'; // our own fault

export interface ErrorOptionsOf {
  readonly cause?: unknown;
  /** Whether the same action may succeed when it is tried again. Default false. */
  readonly retriable?: boolean;
  /** What the message speaks of: file, field, value, expected. JSON values only, no secrets. */
  readonly context?: Readonly<Record<string, unknown>>;
}

/** An operating error: expected in the field, told to the user, never a crash. */
export class LedgeError extends Error {
  readonly code: ErrorCode;
  readonly retriable: boolean;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsOf = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LedgeError';
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.context = options.context ?? {};
  }
}

/** Any thrown thing as a LedgeError: what is not one already is our fault, code `internal`. */
export function toLedgeError(thrown: unknown): LedgeError {
  if (thrown instanceof LedgeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new LedgeError('internal', message, { cause: thrown });
}
