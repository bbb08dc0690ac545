import { listRecipes } from '../../compress/recipe.ts';
import type { Command } from '../command.ts';
import { compressTarget } from '../compress-target.ts';
import { NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatTable } from '../table.ts';

/** `ledge compress`: a model through a recipe of passes, given or searched for, with a report. */
export const compress: Command = {
  summary: 'Make a model smaller and faster by a recipe, and say what that cost',
  usage:
    'compress <model.onnx|flow> --recipe <name|file> [--data DIR] [--board NAME] [--out DIR] | ' +
    'compress <model.onnx|flow> --budget TERMS [--data DIR] [--board NAME] | compress recipes',
  options: {
    ...NODE_OPTIONS,
    recipe: { type: 'string' },
    budget: { type: 'string' },
    calibrate: { type: 'string' },
    choose: { type: 'string' },
    minutes: { type: 'string' },
    candidates: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    data: 'labelled data to tell accuracy on, before and after: <label>/*.wav|flac|jpg, *.csv',
    board: "a board of devices/boards, or a file: the result must keep that one's limits",
    recipe: 'a name of `ledge compress recipes`, or a YAML file',
    budget: 'search for a recipe: "accuracy>=-0.5pp,size<=2MB"; latency, memory, sqnr as well',
    calibrate: 'data whose events give ranges of activations; default: the tests of the flow',
    choose: 'labelled data to choose a recipe by; default: half of --data, the other half told',
    minutes: 'how long a search may take; default 10',
    candidates: 'how many recipes a search may try; default 40',
    out: 'folder for the model and its report; default: compressed-<recipe> beside the model',
    json: 'the report as JSON',
  },
  examples: [
    'ledge compress recipes',
    'ledge compress model.onnx --recipe int8',
    'ledge compress keyword-spotting --recipe int8 --out small',
    'ledge compress keyword-spotting --recipe int8-static --data speech-commands/dev',
    'ledge compress keyword-spotting --budget "accuracy>=-0.5pp,size<=100kB" --data words',
  ],
  async run(args, terminal) {
    const [target, ...rest] = args.positionals;
    if (target === 'recipes' && rest.length === 0) {
      terminal.stdout.write(formatTable(listRecipes().map((recipe) => ({ ...recipe }))));
      return 0;
    }
    const { recipe, budget } = args.values;
    const asked = typeof recipe === 'string' || typeof budget === 'string';
    if (target === undefined || rest.length > 0 || !asked) {
      terminal.stderr.write(`Usage: ledge ${compress.usage}\n`);
      return 2;
    }
    return compressTarget(target, args, terminal);
  },
};
