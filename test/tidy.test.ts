import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../src/std/package.ts';

const LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;
const COMMENT_COLUMNS_MAX = 110;

/** What each folder of src may import, beside itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  std: [],
  tensor: ['std'],
  signal: ['tensor', 'std'],
  image: ['tensor', 'std'],
  text: ['tensor', 'std'],
  onnx: ['tensor', 'std'],
  models: ['onnx', 'tensor', 'std'],
  store: ['std'],
  bundle: ['models', 'store', 'std'],
  flow: ['tensor', 'std'],
  infer: ['models', 'tensor', 'std'],
  evaluate: ['flow', 'image', 'tensor', 'std'],
  compress: ['evaluate', 'infer', 'models', 'onnx', 'tensor', 'std'],
  teach: ['models', 'onnx', 'tensor', 'std'],
  stages: ['flow', 'infer', 'signal', 'image', 'text', 'tensor', 'std'],
  bus: ['store', 'std'],
  devices: ['bus', 'std'],
  integrations: ['bus', 'signal', 'std'],
  web: ['node', 'std'],
  node: [
    'web',
    'bundle',
    'bus',
    'devices',
    'integrations',
    'stages',
    'flow',
    'infer',
    'models',
    'store',
    'teach',
    'tensor',
    'std',
  ],
  cli: [
    'bundle',
    'compress',
    'evaluate',
    'node',
    'devices',
    'bus',
    'stages',
    'flow',
    'infer',
    'models',
    'onnx',
    'signal',
    'store',
    'teach',
    'tensor',
    'std',
  ],
};

/** The one file or folder that may import a library. */
const OWNERS: Readonly<Record<string, string>> = {
  aedes: 'src/bus/broker.ts',
  'bonjour-service': 'src/integrations/wyoming/',
  'classic-level': 'src/store/level.ts',
  mqtt: 'src/bus/client',
  'mqtt-packet': 'src/bus/',
  'onnxruntime-node': 'src/infer/session.ts',
  'onnxruntime-common': 'src/infer/session.ts',
  'node-record-lpcm16': 'src/devices/microphone.ts',
  msgpackr: 'src/std/msgpack.ts',
  sharp: 'src/image/decode.ts',
  yaml: 'src/std/yaml.ts',
  zod: 'src/std/schema.ts',
  ws: 'src/bus/websocket.ts',
};

const BANNED = [
  /\bTODO\b|\bFIXME\b|\bXXX\b/,
  /\bfor now\b/i,
  /not (yet )?implemented/i,
  /^\s*(export )?(const )?enum /,
  /^\s*export default /,
];

interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function sources(folder: string): Source[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(join(packageRoot, path), 'utf8');
      return { path, text, lines: text.split('\n') };
    });
}

const src = sources('src');
const scripts = sources('scripts');

function importsOf({ text }: Source): { name: string; typeOnly: boolean }[] {
  const statements = text.matchAll(/^(import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'/gms);
  const dynamic = text.matchAll(/\bimport\('([^']+)'\)/g);
  return [
    ...[...statements].map((match) => ({ name: match[3] ?? '', typeOnly: match[2] !== undefined })),
    ...[...dynamic].map((match) => ({ name: match[1] ?? '', typeOnly: false })),
  ];
}

/** The file of src that a relative import means; undefined for a library. */
function target(path: string, name: string): string | undefined {
  return name.startsWith('.') ? normalize(join(dirname(path), name)) : undefined;
}

/** Length of each function, the functions inside it not counted again. */
function longFunctions({ path, lines }: Source): string[] {
  const open: { start: number; indent: number; nested: number }[] = [];
  const found: string[] = [];
  lines.forEach((line, index) => {
    const indent = line.search(/\S/);
    const top = open.at(-1);
    if (top !== undefined && indent === top.indent && /^\s*\}/.test(line)) {
      open.pop();
      const whole = index - top.start + 1;
      const own = whole - top.nested;
      if (own > FUNCTION_LINES_MAX) found.push(`${path}:${top.start + 1} has ${own} lines`);
      const outer = open.at(-1);
      if (outer !== undefined) outer.nested += whole;
    }
    if (/^\s*(export )?(async )?function\b/.test(line) && !line.trimEnd().endsWith('}')) {
      open.push({ start: index, indent, nested: 0 });
    }
  });
  return found;
}

describe('the house', () => {
  test('imports go down the layers only', () => {
    const wrong = src.flatMap((source) => {
      const from = source.path.split('/')[1] ?? '';
      return importsOf(source).flatMap(({ name }) => {
        const to = target(source.path, name)?.split('/')[1];
        if (to === undefined || to === from || LAYERS[from]?.includes(to)) return [];
        return `${source.path} imports ${name}`;
      });
    });
    expect(wrong).toEqual([]);
  });

  test('each library has one owner', () => {
    const wrong = src.flatMap((source) =>
      importsOf(source).flatMap(({ name }) => {
        if (name.startsWith('.') || name.startsWith('node:') || name.startsWith('#')) return [];
        const owner = OWNERS[name];
        return owner !== undefined && source.path.startsWith(owner)
          ? []
          : `${source.path}: ${name}`;
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('files, functions and lines stay short', () => {
    const all = [...src, ...scripts];
    const files = all.filter(({ lines }) => lines.length > LINES_MAX + 1).map(({ path }) => path);
    const wide = all.flatMap(({ path, lines }) =>
      lines.flatMap((line, at) =>
        line.length > COLUMNS_MAX && !isProse(line) ? `${path}:${at + 1}` : [],
      ),
    );
    expect({ files, wide, functions: all.flatMap(longFunctions) }).toEqual({
      files: [],
      wide: [],
      functions: [],
    });
  });

  test('banned words do not occur', () => {
    const found = [...src, ...scripts].flatMap(({ path, lines }) =>
      lines.flatMap((line, at) =>
        BANNED.some((word) => word.test(line)) ? `${path}:${at + 1} ${line}` : [],
      ),
    );
    expect(found).toEqual([]);
  });

  test('no value is typed any', () => {
    const loose = [...src, ...scripts].filter(({ text }) =>
      /: any\b|\bas any\b|<any\b/.test(codeOf(text)),
    );
    expect(loose.map(({ path }) => path)).toEqual([]);
  });

  test('rooms have names of their own', () => {
    const vague = src.filter(({ path }) =>
      /\/(utils?|helpers?|common|misc|types)(\.ts|\/)/.test(path),
    );
    expect(vague.map(({ path }) => path)).toEqual([]);
  });

  test('process, signals and console belong to the edges', () => {
    const inside = src.filter(
      ({ path }) => !path.startsWith('src/cli/') && path !== 'src/node/main.ts',
    );
    const wrong = inside.filter(({ text }) => /process\.(env|exit|on\()|\bconsole\./.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
    const speaking = src.filter(
      ({ text, path }) => /\bconsole\./.test(text) && !path.startsWith('src/cli/'),
    );
    expect(speaking.map(({ path }) => path)).toEqual([]);
  });

  test('stages do no IO, no logging, no timers', () => {
    const wrong = src.filter(
      ({ path, text }) =>
        path.startsWith('src/stages/') &&
        /node:fs|node:net|setTimeout|setInterval|Date\.now/.test(text),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test('flow knows no stage kind, no MQTT and no ONNX', () => {
    const wrong = src.filter(
      ({ path, text }) => path.startsWith('src/flow/') && /\bmqtt\b|\bonnx\b/i.test(codeOf(text)),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test('the worker imports only its protocol, its session, tensor and std', () => {
    const worker = src.filter(({ path }) => path === 'src/infer/worker.ts');
    const targets = worker.flatMap((source) =>
      importsOf(source).map(({ name }) => target(source.path, name) ?? name),
    );
    const wrong = targets.filter(
      (name) => !/^(node:|src\/(tensor|std)\/|src\/infer\/(protocol|session)\.ts$)/.test(name),
    );
    expect(worker).toHaveLength(1);
    expect(wrong).toEqual([]);
  });

  test('every export of src has a sentence above it', () => {
    const bare = src.flatMap(({ path, lines }) =>
      lines.flatMap((line, at) => {
        if (!/^export (async )?(function|class)\b/.test(line)) return [];
        return /\*\/\s*$/.test(lines[at - 1] ?? '') ? [] : `${path}:${at + 1}`;
      }),
    );
    expect(bare).toEqual([]);
  });

  test('paths of one machine and addresses of registries do not occur', () => {
    const words = new RegExp(['/wo' + 'rk/', '/ro' + 'ot/', 'registry\\.npm' + 'js'].join('|'));
    const found = [...src, ...scripts, ...sources('test')].filter(({ text }) => words.test(text));
    expect(found.map(({ path }) => relative('.', path))).toEqual([]);
  });
});

/** A sentence in a comment or a quote is not broken by the formatter. */
function isProse(line: string): boolean {
  if (/^\s*(\/\*\*|\*|\/\/)/.test(line)) return line.length <= COMMENT_COLUMNS_MAX;
  return /^\s*(\/\/|\*|['"`].*['"`],?$|.*describe\(['"`])/.test(line);
}

/** Code without comments and strings. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'[^'\n]*'|`[^`]*`/gm, '');
}
