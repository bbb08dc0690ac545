import { inspectModel } from '../onnx/inspect.ts';
import { LedgeError } from '../std/error.ts';

/** Problems told in an error's message; its context carries all of them. */
const PROBLEMS_TOLD = 5;

/** Refuses a file that the node would refuse. Throws `model-refused`, naming nodes. */
export async function admitModel(file: string, to: 'compress' | 'profile'): Promise<void> {
  const { problems } = await inspectModel(file);
  if (problems.length === 0) return;
  const told = problems.slice(0, PROBLEMS_TOLD).map(({ where, message }) => `${where}: ${message}`);
  throw new LedgeError('model-refused', `Cannot ${to} ${file}: ${told.join('; ')}`, {
    context: { file, problems },
  });
}
