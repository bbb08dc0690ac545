import { installBundle } from '../../src/bundle/install.ts';

// Installs a bundle as far as its check, says so, and waits to be killed.
const [path = '', flows = ''] = process.argv.slice(2);
await installBundle(path, {
  flows,
  trust: [],
  own: 'keep',
  check: async () => {
    process.stdout.write('checking\n');
    await new Promise((resolve) => setInterval(resolve, 2 ** 30));
  },
});
