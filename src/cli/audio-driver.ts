/**
 * Tells sox to record through ALSA, unless the user told it another driver: it would look for one by
 * playing on the device first, which no microphone can.
 */
export function chooseAudioDriver(): void {
  if (process.platform === 'linux') process.env.AUDIODRIVER ??= 'alsa';
}
