/** Name and password of an HTTP request. */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

/** Reads an `Authorization: Basic` header (RFC 7617); undefined for any other. */
export function parseBasicAuth(header: string | undefined): BasicCredentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
