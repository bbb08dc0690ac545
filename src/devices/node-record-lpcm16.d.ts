declare module 'node-record-lpcm16' {
  import type { ChildProcess } from 'node:child_process';

  interface RecordOptions {
    readonly recorder: 'arecord' | 'sox' | 'rec';
    readonly sampleRate: number;
    readonly channels: number;
    readonly audioType: 'raw';
    readonly device?: string;
  }

  const library: {
    record(options: RecordOptions): { readonly process: ChildProcess };
  };
  export = library;
}
