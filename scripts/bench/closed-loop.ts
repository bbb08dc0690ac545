import { openLink } from './link.ts';
import type { Load } from './load.ts';
import { createRecorder, type LoadOutcome, type Moment } from './recorder.ts';

/** An event without an answer for this long is given up and its place used again. */
const LOST_AFTER_MS = 5_000;
const LOST_CHECK_MS = 500;

/** Keeps `inFlight` events on their way, each of another device: as fast as results come back. */
export async function runClosedLoop(
  load: Load,
  inFlight: number,
  tell: (moment: Moment) => void,
): Promise<LoadOutcome> {
  if (load.devices % inFlight !== 0) {
    throw new Error(`${load.devices} devices are no multiple of ${inFlight} in flight`);
  }
  const recorder = createRecorder();
  const places = Array.from({ length: inFlight }, (_, place) => ({
    device: place,
    sentAtMs: 0,
    answered: true,
    acknowledged: true,
  }));
  let running = true;
  const link = await openLink(load, {
    onResult(device) {
      const place = places[device % inFlight]!;
      if (place.answered || place.device !== device) return;
      place.answered = true;
      recorder.result(performance.now() - place.sentAtMs);
      if (place.acknowledged) goOn(place);
    },
    onDeclared: recorder.declared,
    onPuback(packetId) {
      const place = places[packetId - 1]!;
      place.acknowledged = true;
      if (place.answered) goOn(place);
    },
  });

  function goOn(place: (typeof places)[number]): void {
    if (!running) return;
    place.device = (place.device + inFlight) % load.devices;
    place.sentAtMs = performance.now();
    place.answered = false;
    place.acknowledged = load.qos === 0;
    recorder.sent();
    link.publish(place.device, 0, (place.device % inFlight) + 1);
  }

  const lost = setInterval(() => {
    const now = performance.now();
    for (const place of places) {
      if (now - place.sentAtMs < LOST_AFTER_MS) continue;
      recorder.lost(1);
      goOn(place);
    }
  }, LOST_CHECK_MS);
  for (const place of places) goOn(place);
  await passed(load.warmupMs);
  recorder.start();
  tell('measuring');
  await passed(load.durationMs);
  const outcome = recorder.stop();
  running = false;
  clearInterval(lost);
  tell('sent');
  link.close();
  return outcome;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
