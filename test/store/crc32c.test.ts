import { expect, test } from 'vitest';
import { crc32c } from '../../src/store/crc32c.ts';

test.each([
  ['the check value of the catalogue', Buffer.from('123456789'), 0xe3069283],
  ['RFC 3720: 32 bytes of zeroes', Buffer.alloc(32), 0x8a9136aa],
  ['RFC 3720: 32 bytes of ones', Buffer.alloc(32, 255), 0x62a8ab43],
  ['RFC 3720: 32 bytes that count up', Buffer.from([...Array(32).keys()]), 0x46dd794e],
  ['nothing', Buffer.alloc(0), 0],
])('the checksum of %s', (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});
