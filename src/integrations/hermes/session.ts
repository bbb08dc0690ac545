/** One dialogue at one site, open or waiting. */
export interface Session {
  readonly id: string;
  readonly siteId: string;
  readonly site: string;
  readonly kind: 'action' | 'notification';
  readonly text: string | null;
  readonly wakewordId: string | null;
  customData: string | null;
  lang: string;
  intentFilter: readonly string[] | null;
  /** Whether a skill deals with what was not understood. */
  sendNotRecognized: boolean;
  /** Counts what happened: whoever waited finds out that it is over. */
  /** The voice session that a wake word opened, until it is listened to. */
  voiceId: string | undefined;
  step: number;
  cancelTimer: () => void;
}

type Beginning = Pick<Session, 'id' | 'siteId' | 'site' | 'kind' | 'text' | 'customData' | 'lang'> &
  Partial<Session>;

/** A session as it begins: what is not given is empty. */
export function createSession(beginning: Beginning): Session {
  return {
    ...{ wakewordId: null, intentFilter: null, sendNotRecognized: false, voiceId: undefined },
    ...{ step: 0, cancelTimer: () => undefined },
    ...beginning,
  };
}
