import type { Bus } from '../bus/bus.ts';
import { createSequence, numbered } from '../bus/sequence.ts';
import { MICROPHONE_BYTES_PER_SECOND } from '../devices/microphone.ts';
import { type MicrophoneStatus, superviseMicrophone } from '../devices/supervised-microphone.ts';
import type { Clock } from '../std/clock.ts';
import type { Teardown } from '../std/teardown.ts';
import type { NodeConfig } from './config.ts';
import type { MicrophoneConfig } from './config-microphones.ts';
import type { Control } from './control.ts';
import type { Log } from './log.ts';
import type { Status } from './status.ts';

/** One message's sound: 100 ms. */
const PIECE_BYTES = MICROPHONE_BYTES_PER_SECOND / 10;
/** Pieces that wait for the bus: five seconds of sound, after which a command is too late anyway. */
const PIECES_IN_FLIGHT_MAX = 50;

/** What microphones are given of the node. */
export interface MicrophoneParts {
  readonly bus: Bus;
  readonly status: Status;
  readonly control: Pick<Control, 'devicesChanged'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** Starts the configured microphones; their sound goes onto the bus, their state on bridge/devices. */
export function openMicrophones(config: NodeConfig, parts: MicrophoneParts): void {
  const { status, teardown } = parts;
  const all = config.microphones.map((microphone) => openOne(microphone, parts));
  if (all.length === 0) return;
  status.tellDevices('microphones', () => all.map((microphone) => microphone.status()));
  for (const { name, close } of all) teardown.add(`the microphone ${name}`, close);
}

function openOne(
  { device, program, input, silentMsMax }: MicrophoneConfig,
  { bus, control, clock, log }: MicrophoneParts,
) {
  const topic = `ledge/in/voice/${device}`;
  const nextSequence = createSequence();
  let inFlight = 0;
  let dropped = 0;

  function send(payload: Uint8Array): void {
    // What is dropped here has a number as well: whoever listens finds the gap.
    const properties = numbered(nextSequence());
    if (inFlight >= PIECES_IN_FLIGHT_MAX) {
      dropped += 1;
      return;
    }
    inFlight += 1;
    bus
      .publish({ topic, payload, qos: 0, retain: false, properties })
      .catch(() => {
        dropped += 1;
      })
      .finally(() => {
        inFlight -= 1;
      });
  }

  const microphone = superviseMicrophone({
    ...{ device, program, input, silentMsMax, clock },
    sound(bytes) {
      for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
        send(bytes.subarray(at, at + PIECE_BYTES));
      }
    },
    changed(status) {
      tell(log, status);
      control.devicesChanged();
    },
  });
  return {
    name: device,
    status: () => ({ ...microphone.status, dropped }),
    close: () => microphone[Symbol.asyncDispose](),
  };
}

function tell(log: Log, { device, program, state, restarts, reason }: MicrophoneStatus): void {
  const fields = { device, program, restarts };
  if (state === 'waiting') log.warn('A microphone is gone', { ...fields, reason });
  else if (state === 'recording') log.info('A microphone records', fields);
}
