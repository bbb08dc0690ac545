import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type InstallOptions, installBundle } from '../../src/bundle/install.ts';
import { verifyInstalled } from '../../src/bundle/installed.ts';
import { generateKeyPair, readPrivateKey } from '../../src/bundle/keys.ts';
import { recoverInstalls } from '../../src/bundle/recover.ts';
import { LedgeError } from '../../src/std/error.ts';
import { temporaryFolder } from '../harness/node.ts';
import { bundleEntries, type Made, type RawEntry, tarOf, writeFolder } from './bundles.ts';

const OLD = { 'flow.yaml': 'old: 1\n', 'samples/gone.json': '{}' };
const NEW = { 'flow.yaml': 'new: 1\n', 'samples/deep/one.json': '{"a": 1}' };

let root: string;
let flows: string;
beforeEach(async () => {
  root = await temporaryFolder();
  flows = join(root, 'flows');
  await mkdir(flows);
});
afterEach(() => rm(root, { recursive: true }));

async function write(entries: readonly RawEntry[], name = 'demo.ledge'): Promise<string> {
  const path = join(root, name);
  await writeFile(path, tarOf(entries));
  return path;
}

const bundleOf = (made: Made) => write(bundleEntries(made));

function install(path: string, options: Partial<InstallOptions> = {}) {
  return installBundle(path, { flows, trust: [], own: 'keep', check: async () => {}, ...options });
}

async function newKey() {
  const pair = generateKeyPair();
  const file = join(root, `${pair.publicKey.slice(-8, -2).replaceAll('/', '_')}.key`);
  await writeFile(file, pair.privatePem);
  return { ...pair, privateKey: await readPrivateKey(file) };
}

/** Every file below the flows, by its path, with its text. */
async function filesThere(): Promise<Record<string, string>> {
  const entries = await readdir(flows, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const found: Record<string, string> = {};
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    if (!name.startsWith('.bundle.')) {
      found[path.slice(flows.length + 1)] = await readFile(path, 'utf8');
    }
  }
  return found;
}

const under = (folder: string, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));

describe('an install', () => {
  test('puts the files of a bundle into a folder of its name', async () => {
    const installed = await install(await bundleOf({ files: NEW }));
    expect(installed).toMatchObject({ folder: join(flows, 'demo'), replaced: false });
    expect(await filesThere()).toEqual(under('demo', NEW));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('replaces the bundle before it whole', async () => {
    await install(await bundleOf({ files: OLD }));
    const installed = await install(await bundleOf({ files: NEW, version: '2' }));
    expect(installed.replaced).toBe(true);
    expect(await filesThere()).toEqual(under('demo', NEW));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('is checked before it takes its place, at a folder of its name', async () => {
    await install(await bundleOf({ files: OLD }));
    const seen: string[] = [];
    await install(await bundleOf({ files: NEW }), {
      check: async (folder) => {
        seen.push(await readFile(join(folder, 'flow.yaml'), 'utf8'), folder);
        expect(await readFile(join(flows, 'demo/flow.yaml'), 'utf8')).toBe('old: 1\n');
      },
    });
    expect(seen[0]).toBe('new: 1\n');
    expect(seen[1]).toMatch(/\/flows\/\.install-\d+-\w+\/demo$/);
  });

  test('that fails its check leaves the flow as it was', async () => {
    await install(await bundleOf({ files: OLD }));
    const failed = install(await bundleOf({ files: NEW }), {
      check: async () => {
        throw new LedgeError('flow-invalid', 'no such stage');
      },
    });
    await expect(failed).rejects.toMatchObject({ code: 'flow-invalid' });
    expect(await filesThere()).toEqual(under('demo', OLD));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('whose last file was altered leaves nothing', async () => {
    const entries = bundleEntries({ files: NEW });
    const last = entries.at(-1)!;
    const path = await write([...entries.slice(0, -1), { ...last, data: '{"a": 2}' }]);
    await expect(install(path)).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining('was altered'),
    });
    expect(await readdir(flows)).toEqual([]);
  });

  test('that is stopped leaves the flow as it was', async () => {
    await install(await bundleOf({ files: OLD }));
    const stop = new AbortController();
    const stopped = install(await bundleOf({ files: NEW }), {
      signal: stop.signal,
      check: async () => stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'closed' });
    expect(await filesThere()).toEqual(under('demo', OLD));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('of a bundle for a newer ledge is refused', async () => {
    const path = await bundleOf({ files: NEW, ledge: '99.0.0' });
    await expect(install(path)).rejects.toMatchObject({ code: 'unsupported' });
    expect(await readdir(flows)).toEqual([]);
  });

  test('keeps a flow that came from no bundle, unless it is told to replace it', async () => {
    await writeFolder(join(flows, 'demo'), OLD);
    const path = await bundleOf({ files: NEW });
    await expect(install(path)).rejects.toThrow(/came from no bundle/);
    expect(await filesThere()).toEqual(under('demo', OLD));
    await install(path, { own: 'replace' });
    expect(await filesThere()).toEqual(under('demo', NEW));
  });

  test('never goes through a link that stands at its place', async () => {
    await mkdir(join(root, 'elsewhere'));
    await symlink(join(root, 'elsewhere'), join(flows, 'demo'));
    const path = await bundleOf({ files: NEW });
    await expect(install(path, { own: 'replace' })).rejects.toMatchObject({
      code: 'bundle-invalid',
    });
    expect(await readdir(join(root, 'elsewhere'))).toEqual([]);
  });

  test('into a folder that is not there says so', async () => {
    const path = await bundleOf({ files: NEW });
    await expect(install(path, { flows: join(root, 'no') })).rejects.toMatchObject({
      code: 'data-unwritable',
    });
  });
});

describe('with trusted keys', () => {
  test('a bundle that one of them signed is installed', async () => {
    const { privateKey, publicKey } = await newKey();
    const trust = [(await newKey()).publicKey, publicKey];
    const installed = await install(await bundleOf({ files: NEW, privateKey }), { trust });
    expect(installed.judgement).toEqual({ kind: 'trusted', key: publicKey });
    expect(await verifyInstalled(join(flows, 'demo'), trust)).toMatchObject({ kind: 'bundle' });
  });

  test('bundles without a signature, or with one of another key, are refused unread', async () => {
    const { privateKey } = await newKey();
    const trust = [(await newKey()).publicKey];
    for (const made of [{ files: NEW }, { files: NEW, privateKey }]) {
      let checked = false;
      const check = async () => {
        checked = true;
      };
      const refused = install(await bundleOf(made), { trust, check });
      await expect(refused).rejects.toMatchObject({ code: 'bundle-untrusted' });
      expect(checked).toBe(false);
    }
    expect(await readdir(flows)).toEqual([]);
  });

  test('a manifest that changed under its signature is refused', async () => {
    const { privateKey, publicKey } = await newKey();
    const signed = bundleEntries({ files: NEW, privateKey });
    const other = bundleEntries({ files: NEW, version: '2' });
    const path = await write([other[0]!, ...signed.slice(1)]);
    for (const trust of [[publicKey], []]) {
      await expect(install(path, { trust })).rejects.toMatchObject({ code: 'bundle-untrusted' });
    }
  });

  test('the contents of another bundle under a signed manifest are refused', async () => {
    const { privateKey, publicKey } = await newKey();
    const signed = bundleEntries({ files: NEW, privateKey });
    const path = await write([
      ...signed.slice(0, 2),
      { name: 'files/flow.yaml', data: 'bad: 1\n' },
      ...signed.slice(3),
    ]);
    const refused = install(path, { trust: [publicKey] });
    await expect(refused).rejects.toMatchObject({ code: 'bundle-invalid' });
    expect(await readdir(flows)).toEqual([]);
  });
});

describe('a flow that was installed', () => {
  let trust: readonly `ed25519:${string}`[];
  const folder = () => join(flows, 'demo');
  beforeEach(async () => {
    const { privateKey, publicKey } = await newKey();
    trust = [publicKey];
    await install(await bundleOf({ files: NEW, privateKey }), { trust });
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['a file that changed', () => writeFile(join(folder(), 'flow.yaml'), 'bad: 1\n'), 'changed'],
    ['a file that is gone', () => rm(join(folder(), 'samples/deep/one.json')), 'missing'],
    ['a file that came', () => writeFile(join(folder(), 'x.onnx'), ''), 'is not in its bundle'],
    [
      'a file that became a link',
      async () => {
        await rename(join(folder(), 'flow.yaml'), join(root, 'flow.yaml'));
        await symlink(join(root, 'flow.yaml'), join(folder(), 'flow.yaml'));
      },
      'is a link',
    ],
    [
      'a manifest that changed',
      async () => {
        const path = join(folder(), '.bundle.json');
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replace('"version": "1"', '"version": "2"'));
      },
      'was altered',
    ],
    ['signatures that are gone', () => rm(join(folder(), '.bundle.sig')), 'not signed'],
    [
      'signatures that are none',
      () => writeFile(join(folder(), '.bundle.sig'), '{}'),
      'Cannot read the signatures',
    ],
  ])('is refused for %s', async (_, change, problem) => {
    await change();
    await expect(verifyInstalled(folder(), trust)).rejects.toThrow(problem);
  });

  test('is refused under another name', async () => {
    await rename(folder(), join(flows, 'other'));
    await expect(verifyInstalled(join(flows, 'other'), trust)).rejects.toThrow('that of "demo"');
  });

  test('may have hidden files of an editor', async () => {
    await writeFile(join(folder(), '.flow.yaml.swp'), 'x');
    expect(await verifyInstalled(folder(), trust)).toMatchObject({ kind: 'bundle' });
  });
});

describe('an install that was cut off', () => {
  test('by a kill leaves the flow as it was, and what is half there is cleared up', async () => {
    await install(await bundleOf({ files: OLD }));
    const path = await bundleOf({ files: NEW });
    const script = fileURLToPath(new URL('install-child.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, path, flows], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const half = (await readdir(flows)).filter((name) => name.startsWith('.'));
    expect(half).toEqual([expect.stringMatching(/^\.install-/)]);
    await recoverInstalls(flows);
    expect(await readdir(flows), 'that of a living process stays').toContain(half[0]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await readFile(join(flows, 'demo/flow.yaml'), 'utf8')).toBe('old: 1\n');
    expect(await recoverInstalls(flows)).toEqual([]);
    expect(await readdir(flows)).toEqual(['demo']);
    expect(await filesThere()).toEqual(under('demo', OLD));
  });

  test('between its two renames is undone', async () => {
    await install(await bundleOf({ files: OLD }));
    await rename(join(flows, 'demo'), join(flows, '.replaced-demo'));
    expect(await recoverInstalls(flows)).toEqual(['demo']);
    expect(await filesThere()).toEqual(under('demo', OLD));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('after its renames is done', async () => {
    await install(await bundleOf({ files: NEW }));
    await writeFolder(join(flows, '.replaced-demo'), OLD);
    expect(await recoverInstalls(flows)).toEqual([]);
    expect(await filesThere()).toEqual(under('demo', NEW));
    expect(await readdir(flows)).toEqual(['demo']);
  });

  test('is undone by the next install too', async () => {
    await install(await bundleOf({ files: OLD }));
    await rename(join(flows, 'demo'), join(flows, '.replaced-demo'));
    const failed = install(await bundleOf({ files: NEW }), {
      check: async () => {
        throw new LedgeError('flow-invalid', 'no');
      },
    });
    await expect(failed).rejects.toMatchObject({ code: 'flow-invalid' });
    expect(await filesThere()).toEqual(under('demo', OLD));
  });
});
