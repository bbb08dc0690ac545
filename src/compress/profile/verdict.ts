import type { Bound, NodeProfile, OperatorProfile } from './profile.ts';

/** What holds a model back, and what may be done about it. */
export interface Verdict {
  /** One sentence, from the figures by rules. */
  readonly sentence: string;
  readonly bound: Bound | 'mixed';
  /** Shares of the time, by what holds it; the runtime's work between nodes counts as overhead. */
  readonly shares: Readonly<Record<Bound, number>>;
  /** The recipe of `ledge compress` to try first; none where none would help. */
  readonly recipe: string | undefined;
  readonly advice: string;
}

export interface VerdictParts {
  readonly nodes: readonly NodeProfile[];
  readonly operators: readonly OperatorProfile[];
  readonly betweenShare: number;
  readonly totalMs: number;
}

/** A cause that takes more than this of the time is the one to name. */
const MOST = 0.5;
/** Products that read their weights: what the 8- and 4-bit passes reach. */
const DENSE = new Set(['MatMul', 'Gemm', 'FusedGemm', 'FusedMatMul']);
const DENSE_IN_BYTES = new Set(
  'MatMulIntegerToFloat DynamicQuantizeMatMul MatMulInteger QGemm QLinearMatMul'.split(' '),
);
const CONVOLUTIONS = new Set(['Conv', 'FusedConv']);

/** Says what holds a model back: the cause of most of the time, and the operator of most of that. */
export function judge(parts: VerdictParts): Verdict {
  const shares = sharesOf(parts);
  const [bound] = ranked(shares)[0]!;
  const told = { shares, parts };
  if (shares[bound] < MOST) return mixed(told);
  if (bound === 'overhead') return heldByCalls(told);
  const group = topGroup(parts, bound);
  if (bound === 'kernel') return heldByKernel(told, group);
  return bound === 'memory' ? heldByMemory(told, group) : heldByArithmetic(told, group);
}

interface Group {
  readonly operator: string;
  readonly share: number;
  readonly weightBytes: number;
  readonly bytes: number;
  /** Of its roof, weighted by time. */
  readonly roofShare: number;
  readonly gflops: number;
}

interface Told {
  readonly shares: Verdict['shares'];
  readonly parts: VerdictParts;
}

function ranked(shares: Verdict['shares']): readonly [Bound, number][] {
  return (Object.entries(shares) as [Bound, number][]).sort((a, b) => b[1] - a[1]);
}

function sharesOf({ nodes, betweenShare }: VerdictParts): Record<Bound, number> {
  const shares = { compute: 0, memory: 0, kernel: 0, overhead: betweenShare };
  for (const { bound, share } of nodes) shares[bound] += share;
  return shares;
}

/** The operator with most of the time that a cause takes. */
function topGroup({ nodes }: VerdictParts, bound: Bound): Group {
  const groups = new Map<string, NodeProfile[]>();
  for (const node of nodes) {
    if (node.bound !== bound) continue;
    groups.set(node.operator, [...(groups.get(node.operator) ?? []), node]);
  }
  const all = [...groups].map(([operator, list]): Group => {
    const sum = (of: (node: NodeProfile) => number) =>
      list.reduce((total, node) => total + of(node), 0);
    const share = sum((node) => node.share);
    const seconds = sum(({ ms }) => ms) / 1000;
    return {
      operator,
      share,
      weightBytes: sum((node) => node.weightBytes),
      bytes: sum((node) => node.bytes),
      roofShare: share > 0 ? sum((node) => node.roofShare * node.share) / share : 0,
      gflops: seconds > 0 ? sum((node) => node.operations) / seconds / 1e9 : 0,
    };
  });
  // A cause with a share of the time has nodes.
  return all.sort((a, b) => b.share - a.share)[0]!;
}

function heldByMemory({ shares }: Told, group: Group): Verdict {
  const { operator, share, weightBytes, bytes, roofShare } = group;
  const mostlyWeights = weightBytes > bytes / 2;
  const what = mostlyWeights
    ? `${megabytes(weightBytes)} of weights`
    : `${megabytes(bytes)} between nodes`;
  const where = `${percent(roofShare)} of this machine's memory bandwidth`;
  const sentence = `${percent(share)} of the time is ${operator} moving ${what} at ${where}`;
  if (!mostlyWeights) {
    return {
      sentence: `${sentence}: fewer and fused nodes help, faster arithmetic does not.`,
      bound: 'memory',
      shares,
      recipe: 'clean',
      advice: 'what goes between nodes is not made smaller by smaller weights',
    };
  }
  return {
    sentence: `${sentence}: fewer bits help, faster arithmetic does not.`,
    bound: 'memory',
    shares,
    recipe: recipeForWeights(operator),
    advice: 'smaller weights are read in less time',
  };
}

function recipeForWeights(operator: string): string | undefined {
  if (DENSE.has(operator)) return 'int8';
  if (DENSE_IN_BYTES.has(operator)) return 'int4';
  return CONVOLUTIONS.has(operator) ? 'int8-static' : undefined;
}

function heldByArithmetic({ shares }: Told, group: Group): Verdict {
  const { operator, share, roofShare, gflops } = group;
  const where = `${gflops.toFixed(1)} GFLOP/s, ${percent(roofShare)} of what this machine can`;
  const what = `${percent(share)} of the time is ${operator} computing`;
  const dense = DENSE.has(operator);
  const recipe = dense ? 'int8' : CONVOLUTIONS.has(operator) ? 'int8-static' : undefined;
  const help = recipe === undefined ? 'only fewer operations help' : 'fewer or cheaper ones help';
  return {
    sentence: `${what} at ${where}: ${help}, less memory traffic does not.`,
    bound: 'compute',
    shares,
    recipe,
    advice:
      recipe === undefined
        ? 'a smaller model, or one with fewer channels'
        : 'products of 8-bit numbers are cheaper where the processor has them',
  };
}

function heldByKernel({ shares }: Told, group: Group): Verdict {
  const { operator, share, roofShare } = group;
  const what = `${percent(share)} of the time is ${operator} at ${percent(roofShare)} of its roof`;
  return {
    sentence: `${what}, slow by its kernel: other operators in its place help, fewer bits do not.`,
    bound: 'kernel',
    shares,
    recipe: 'clean',
    advice: 'fused operators have kernels of their own',
  };
}

function heldByCalls({ shares, parts }: Told): Verdict {
  const count = parts.nodes.reduce((sum, { calls }) => sum + calls, 0);
  const eachUs = (parts.totalMs / Math.max(1, count)) * 1000;
  const what = `${count} node calls of ${eachUs.toFixed(1)} us each`;
  const share = `${percent(shares.overhead)} of the time`;
  const help = 'fewer, larger nodes or several events in one run help, fewer bits do not';
  return {
    sentence: `${share} is neither arithmetic nor memory but the cost of ${what}: ${help}.`,
    bound: 'overhead',
    shares,
    recipe: 'clean',
    advice: 'folded and fused nodes are called less often',
  };
}

function mixed({ shares, parts }: Told): Verdict {
  const [top] = parts.operators;
  const causes = ranked(shares)
    .map(([bound, share]) => `${CAUSES[bound]} ${percent(share)}`)
    .join(', ');
  const most = top === undefined ? '' : `; most of it is ${top.operator}, ${percent(top.share)}`;
  const recipe = top === undefined ? undefined : (recipeForWeights(top.operator) ?? 'clean');
  return {
    sentence: `No single cause: of the time ${causes} hold it${most}.`,
    bound: 'mixed',
    shares,
    recipe,
    advice: 'measure again afterwards: what holds it back may then be another cause',
  };
}

const CAUSES: Readonly<Record<Bound, string>> = {
  compute: 'arithmetic',
  memory: 'memory',
  kernel: 'slow kernels',
  overhead: 'calls of small nodes',
};

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function megabytes(bytes: number): string {
  const value = bytes / 1e6;
  return `${value >= 10 ? value.toFixed(0) : value.toPrecision(2)} MB`;
}
