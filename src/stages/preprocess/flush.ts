import type { Step } from '../../flow/stage.ts';
import { FREE } from '../../tensor/tensor.ts';

/** Whether the values of a device are clips of their own or parts of one signal. */
export type Flush = 'auto' | 'event' | 'stream';

/** The `flush` values of a configuration. */
export const FLUSH = ['auto', 'event', 'stream'] as const satisfies readonly Flush[];

/** `auto` where what comes is a signal; values of one fixed length were cut and are clips. */
export function settledFlush(flush: Flush, samples: number): Flush {
  return flush === 'auto' && samples !== FREE ? 'event' : flush;
}

/** The two ways in which a stage takes a signal. */
export interface FlushSteps {
  /** A step without state: every value is a clip. */
  clips(): Step;
  /** A step that goes on from value to value. */
  stream(): Step;
}

/**
 * Opens the step that `flush` asks for. With `auto` each event says what it is, and a clip that
 * comes between two parts of a stream leaves the stream as it was.
 */
export function openFlush(flush: Flush, steps: FlushSteps): Step {
  if (flush === 'event') return steps.clips();
  if (flush === 'stream') return steps.stream();
  const clips = steps.clips();
  let stream: Step | undefined;
  return {
    run(value, context) {
      if (context.event.part !== 'stream') return clips.run(value, context);
      stream ??= steps.stream();
      return stream.run(value, context);
    },
  };
}
