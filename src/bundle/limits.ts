/** Files of one bundle: a flow has a handful and its samples; the manifest names each. */
export const FILES_MAX = 1024;

/** Bytes of one file: what the reader of models takes at most. */
export const FILE_BYTES_MAX = 1_073_741_824;

/** Bytes of all files together: two of the largest models. */
export const TOTAL_BYTES_MAX = 2_147_483_648;

/** Bytes of the manifest: 1024 files of 300 bytes each are a third of it. */
export const MANIFEST_BYTES_MAX = 1_048_576;

/** Bytes of the signatures: eight of some 200 bytes are a tenth of it. */
export const SIGNATURES_BYTES_MAX = 16_384;

/** Signatures of one bundle: a maker's, an integrator's, an owner's, and keys being replaced. */
export const SIGNATURES_MAX = 8;

/** Keys that a node trusts. */
export const KEYS_MAX = 64;

/** Bytes of a key file: PEM of an ed25519 key is about 120. */
export const KEY_FILE_BYTES_MAX = 4096;

/** Bytes that are read or written at a time: memory stays flat whatever a model weighs. */
export const CHUNK_BYTES = 1_048_576;
