declare module 'node-record-lpcm16' {
  import type { ChildProcess } from 'node:child_process';

  interface RecordOptions {
    readonly recorder: 'arecord' | 'sox' | 'rec';
    readonly sampleRate: number;
    readonly channels: number;
    readonly audioType: 'raw';
    readonly device?: string;
  }

  export function record(options: RecordOptions): { readonly process: ChildProcess };
}
