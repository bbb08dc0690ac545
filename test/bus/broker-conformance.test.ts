import { openBroker } from '../../src/bus/broker.ts';
import { describeBus } from '../conformance/bus.ts';

describeBus('the embedded broker', {
  properties: 'kept',
  async open() {
    const bus = await openBroker({ port: 0 });
    return { bus, close: async () => bus[Symbol.asyncDispose]() };
  },
});
