import { open, stat } from 'node:fs/promises';
import { installBundle } from '../../bundle/install.ts';
import { verifyInstalled } from '../../bundle/installed.ts';
import { generateKeyPair, loadTrust, type PublicKey, readPrivateKey } from '../../bundle/keys.ts';
import { describeFlow, type Packed, packFlow, signBundle } from '../../bundle/pack.ts';
import { checkContents, withBundle } from '../../bundle/read-bundle.ts';
import { type Judgement, judgeSignatures } from '../../bundle/signatures.ts';
import { flowsFolder } from '../../node/node.ts';
import { LedgeError } from '../../std/error.ts';
import { checkUnpackedFlow } from '../bundle-check.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { findFlow } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';

type Action = (targets: readonly string[], args: Arguments, terminal: Terminal) => Promise<object>;

/** Each action, and how many names it takes. */
const ACTIONS: ReadonlyMap<string, readonly [names: number, run: Action]> = new Map([
  ['keygen', [1, keygen]],
  ['pack', [1, pack]],
  ['sign', [1, sign]],
  ['verify', [1, verify]],
  ['install', [1, install]],
]);

/** `ledge bundle keygen|pack|sign|verify|install`. */
export const bundle: Command = {
  summary: 'Pack a flow into one signed file, verify it, install it',
  usage:
    'bundle keygen <name> | pack <flow> [--key FILE] | sign <file> --key FILE | ' +
    'verify <file or folder> | install <file>   [--json]',
  options: {
    ...NODE_OPTIONS,
    key: { type: 'string' },
    trust: { type: 'string', multiple: true },
    out: { type: 'string' },
    version: { type: 'string' },
    created: { type: 'string' },
    replace: { type: 'boolean' },
    'skip-tests': { type: 'boolean' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    key: 'pack, sign: the private key that signs',
    trust: "verify, install: a public key or its file, beside the configuration's `trust:`",
    out: 'pack, sign: the file to write; default <flow>-<version>.ledge, or the file itself',
    version: "pack: the flow's version; default: from a hash of its files",
    created: 'pack: its time, as 2026-01-31T12:00:00Z or now; default: that of its newest file',
    replace: 'install: also over a flow that came from no bundle',
    'skip-tests': "install: without the flow's own tests",
    json: 'the answer as JSON',
  },
  examples: [
    'ledge bundle keygen factory',
    'ledge bundle pack keyword-spotting --key factory.key',
    'ledge bundle verify keyword-spotting-1f0c5a2b9d3e.ledge --trust factory.pub',
    'ledge bundle install keyword-spotting-1f0c5a2b9d3e.ledge --flows ./flows',
  ],
  async run(args, terminal) {
    const [name = '', ...targets] = args.positionals;
    const action = ACTIONS.get(name);
    if (action === undefined || targets.length !== action[0]) {
      terminal.stderr.write(`ledge: what to do?\nUsage: ledge ${bundle.usage}\n`);
      return 2;
    }
    const json = args.values.json === true;
    try {
      const answer = await action[1](targets, args, terminal);
      terminal.stdout.write(json ? `${JSON.stringify(answer)}\n` : textOf(answer));
      return 0;
    } catch (error) {
      if (!json || !(error instanceof LedgeError)) throw error;
      const { code, message } = error;
      terminal.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
      return 1;
    }
  },
};

async function keygen([name = '']: readonly string[]): Promise<object> {
  const { publicKey, privatePem } = generateKeyPair();
  const [privateFile, publicFile] = [`${name}.key`, `${name}.pub`];
  await writeNew(privateFile, privatePem, 0o600);
  await writeNew(publicFile, `${publicKey}\n`, 0o644);
  return { publicKey, publicFile, privateFile };
}

async function pack([flow = '']: readonly string[], args: Arguments): Promise<object> {
  const folder = await findFlow(flow, await configOf(args));
  const { version, out } = args.values;
  const created = timeOf(args.values.created);
  const privateKey = await keyOf(args);
  const options = {
    ...(typeof version === 'string' && { version }),
    ...(created !== undefined && { created }),
  };
  const described = await describeFlow(folder, options);
  const { name, version: own } = described.manifest;
  const file = typeof out === 'string' ? out : `${name}-${own}.ledge`;
  return packedAnswer(file, await packFlow(described, file, privateKey));
}

async function sign([file = '']: readonly string[], args: Arguments): Promise<object> {
  const privateKey = await keyOf(args);
  if (privateKey === undefined) {
    throw new LedgeError('config-invalid', 'Cannot sign: --key names no private key');
  }
  const out = typeof args.values.out === 'string' ? args.values.out : file;
  return packedAnswer(out, await signBundle(file, privateKey, out));
}

async function verify([path = '']: readonly string[], args: Arguments): Promise<object> {
  const trust = await trustOf(args);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const state = await verifyInstalled(path, trust);
    if (state.kind === 'own') {
      throw new LedgeError('not-found', `${path} was not installed from a bundle`);
    }
    const { name, version } = state.manifest;
    return { valid: true, folder: path, name, version, ...judgementOf(state.judgement) };
  }
  return withBundle(path, async (opened) => {
    const { manifest, manifestBytes, signatures } = opened;
    const judgement = judgeSignatures(manifestBytes, signatures, trust);
    await checkContents(opened);
    const { name, version, created, ledge, files } = manifest;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const what = { name, version, created, ledge, files: files.length, bytes };
    return { valid: true, bundle: path, ...what, ...judgementOf(judgement) };
  });
}

async function install(
  [path = '']: readonly string[],
  args: Arguments,
  { signal }: Terminal,
): Promise<object> {
  const config = await configOf(args);
  const trust = await trustOf(args);
  const tests = args.values['skip-tests'] === true ? 'skip' : 'run';
  const installed = await installBundle(path, {
    flows: await flowsFolder(config),
    trust,
    own: args.values.replace === true ? 'replace' : 'keep',
    signal,
    check: (folder) => checkUnpackedFlow(folder, { config, tests }),
  });
  const { manifest, judgement, folder, replaced } = installed;
  const { name, version } = manifest;
  return { installed: true, name, version, folder, replaced, ...judgementOf(judgement) };
}

/** The keys of the configuration and those of --trust. */
async function trustOf(args: Arguments): Promise<readonly PublicKey[]> {
  const { trust } = await configOf(args);
  const given = [args.values.trust ?? []].flat().map(String);
  return loadTrust([...trust, ...given]);
}

async function keyOf({ values }: Arguments) {
  return typeof values.key === 'string' ? readPrivateKey(values.key) : undefined;
}

function timeOf(given: unknown): Date | undefined {
  if (typeof given !== 'string') return undefined;
  const time = given === 'now' ? new Date() : new Date(given);
  if (!Number.isNaN(time.getTime())) return time;
  throw new LedgeError('config-invalid', `--created: ${JSON.stringify(given)} is no time`);
}

function packedAnswer(file: string, { manifest, signatures }: Packed): object {
  const { name, version, created, files } = manifest;
  const bytes = files.reduce((sum, one) => sum + one.bytes, 0);
  const signedBy = signatures.map(({ key }) => key);
  return { bundle: file, name, version, created, files: files.length, bytes, signedBy };
}

function judgementOf(judgement: Judgement): object {
  if (judgement.kind === 'trusted') return { trust: 'trusted', key: judgement.key };
  return { trust: judgement.signed ? 'signed, no keys to trust' : 'unsigned, no keys to trust' };
}

function textOf(answer: object): string {
  const rows = Object.entries(answer);
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows
    .map(([key, value]) => `${key.padEnd(width)}  ${[value].flat().join(', ')}\n`)
    .join('');
}

/** Writes a file that must not be there: no key is ever overwritten. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    await using file = await open(path, 'wx', mode);
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new LedgeError('data-unwritable', `Cannot write ${path}: ${reason}`, { cause });
  }
}
