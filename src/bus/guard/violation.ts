/** The reason codes of MQTT 5 that the guard gives [MQTT 2.4]. */
export const REASON = {
  success: 0x00,
  noSubscriptionExisted: 0x11,
  unspecified: 0x80,
  malformed: 0x81,
  protocolError: 0x82,
  unsupportedProtocolVersion: 0x84,
  clientIdNotValid: 0x85,
  notAuthorized: 0x87,
  keepAliveTimeout: 0x8d,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  payloadFormatInvalid: 0x99,
  sharedSubscriptionsNotSupported: 0x9e,
} as const;

/** A packet that breaks the standard or a limit: its connection ends, and nothing else. */
export class Violation extends Error {
  /** What a client of MQTT 5 is told. */
  readonly reasonCode: number;

  constructor(reasonCode: number, message: string) {
    super(message);
    this.name = 'Violation';
    this.reasonCode = reasonCode;
  }
}

/** For bytes that cannot be read as a packet [MQTT 4.13.1]. */
export function malformed(message: string): Violation {
  return new Violation(REASON.malformed, message);
}

/** For a packet that reads well and must not be there [MQTT 4.13.1]. */
export function protocolError(message: string): Violation {
  return new Violation(REASON.protocolError, message);
}
