import type { FlowEvent } from '../../flow/event.ts';
import {
  type CompiledStep,
  emit,
  FieldError,
  HOLD,
  type Outcome,
  type StageContext,
  type Step,
} from '../../flow/stage.ts';
import type { TensorType } from '../../flow/value.ts';
import {
  createSlidingWindow,
  type SlidingWindow,
  type Windowing,
  windowClip,
} from '../../signal/sliding-window.ts';
import { LedgeError } from '../../std/error.ts';
import { elementCount, FREE, float32, type Tensor } from '../../tensor/tensor.ts';
import { openFlush } from './flush.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';
import type { WindowConfig } from './window.ts';

/** Most elements of all windows of one value: 256 MB. */
const ELEMENTS_MAX = 64 * 1024 * 1024;

/** `window` over the first axis of a tensor. Throws FieldError. */
export function compileSignalWindow(config: WindowConfig, context: StageContext): CompiledStep {
  const input = requireTensor(context, { type: 'float32' });
  if (input.shape.length === 0) throw new FieldError('', 'a scalar', 'a tensor with an axis');
  if (config.fields !== undefined) {
    throw new FieldError('fields', config.fields, 'no fields: the input is a tensor');
  }
  const windowing = windowingOf(config, input);
  return {
    output: outputOf(config, windowing, input),
    scope: config.flush === 'event' ? 'shared' : 'device',
    open: () =>
      openFlush(config.flush, {
        clips: () => openClips(config, windowing),
        stream: () => openStream(config, windowing),
      }),
  };
}

function outputOf(
  { emit: mode }: WindowConfig,
  { size }: Windowing,
  { sampleRateHz, ...input }: TensorType,
): TensorType {
  const shape = [size, ...input.shape.slice(1)];
  if (mode === 'together') return { ...input, shape: [FREE, ...shape] };
  return { ...input, shape, ...(sampleRateHz !== undefined && { sampleRateHz }) };
}

function windowingOf(config: WindowConfig, { sampleRateHz }: TensorType): Windowing {
  const rows = (field: 'seconds' | 'hopSeconds'): number | undefined => {
    const seconds = config[field];
    if (seconds === undefined) return undefined;
    if (sampleRateHz === undefined) {
      throw new FieldError(field, seconds, 'rows: the sample rate of the input is not known');
    }
    return Math.max(1, Math.round(seconds * sampleRateHz));
  };
  const size = config.size ?? rows('seconds')!;
  const hop = config.hop ?? rows('hopSeconds') ?? size;
  return { size, hop, pad: config.pad, windowsMax: config.windowsMax };
}

function openClips(config: WindowConfig, windowing: Windowing): Step {
  return {
    run(value) {
      const tensor = tensorOfValue(value);
      const whole = windowing.pad === 0 && tensor.shape[0] === windowing.size;
      if (whole && config.emit === 'each') return emit(tensor);
      const width = elementCount(tensor.shape.slice(1));
      const bounded = boundTo(windowing, width);
      const cut = (): Float32Array[] =>
        windowClip(floatsOf(tensor), bounded, { width, partial: config.partial });
      return outcomeOf(limited(cut), tensor, { size: windowing.size, mode: config.emit });
    },
  };
}

function openStream(config: WindowConfig, windowing: Windowing): Step {
  let window: SlidingWindow | undefined;
  let row = '';
  let last: FlowEvent | undefined;
  const startsAfresh = (event: FlowEvent): boolean =>
    last !== undefined &&
    last.id !== event.id &&
    (config.restart === 'event' || event.ts - last.ts > (config.gapSeconds ?? Infinity) * 1000);
  return {
    run(value, { event }) {
      const tensor = tensorOfValue(value);
      const width = elementCount(tensor.shape.slice(1));
      const shape = tensor.shape.slice(1).join();
      if (window === undefined || shape !== row) {
        window = createSlidingWindow(boundTo(windowing, width), width);
        row = shape;
      } else if (startsAfresh(event)) {
        window.restart();
      }
      last = event;
      const sliding = window;
      return outcomeOf(
        limited(() => sliding.push(floatsOf(tensor))),
        tensor,
        { size: windowing.size, mode: config.emit },
      );
    },
  };
}

/** The same windows, their number bounded by the elements that they have together. */
function boundTo(windowing: Windowing, width: number): Windowing {
  const most = Math.floor(ELEMENTS_MAX / Math.max(1, windowing.size * width));
  return { ...windowing, windowsMax: Math.min(windowing.windowsMax, Math.max(1, most)) };
}

function limited(cut: () => Float32Array[]): Float32Array[] {
  try {
    return cut();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LedgeError(
      'payload-too-large',
      `Cannot cut the signal: one value completes ${error.message} (windowsMax)`,
      { cause: error },
    );
  }
}

function outcomeOf(
  windows: readonly Float32Array[],
  { shape }: Tensor,
  { size, mode }: { readonly size: number; readonly mode: WindowConfig['emit'] },
): Outcome {
  if (windows.length === 0) return HOLD;
  const row = [size, ...shape.slice(1)];
  if (mode === 'together') {
    const all = new Float32Array(windows.length * elementCount(row));
    windows.forEach((window, index) => {
      all.set(window, index * window.length);
    });
    return emit(float32([windows.length, ...row], all));
  }
  const values = windows.map((data) => float32(row, data));
  return values.length === 1 ? emit(values[0]!) : { kind: 'emit-many', values };
}
