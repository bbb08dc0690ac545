const { attach, fail, milliseconds } = require('../lib/client');
const { Failure } = require('../lib/failure');

const TIMEOUT_MS = 10_000;
/** What a node can be asked, as the editor lists it, and the request that it is. */
const REQUESTS = {
  list: 'flows',
  info: 'info',
  health: 'health',
  devices: 'devices',
  ledger: 'ledger',
  enable: 'flow/enable',
  disable: 'flow/disable',
  reload: 'flow/reload',
  relearn: 'flow/relearn',
};

module.exports = function register(RED) {
  function LedgeControl(config) {
    RED.nodes.createNode(this, config);
    const broker = attach(RED, this, config);
    if (broker === undefined) return;
    const timeoutMs = milliseconds(config.timeout, TIMEOUT_MS);

    const ask = async (msg) => {
      const action = config.action || msg.action;
      const name = config.flow || msg.flow;
      if (!Object.hasOwn(REQUESTS, action ?? '')) {
        const known = Object.keys(REQUESTS).join(', ');
        throw new Failure('no-action', `There is no action "${action}", only ${known}`);
      }
      const request = REQUESTS[action];
      const body = request.startsWith('flow/')
        ? {
            ...(name && { name }),
            ...(action === 'relearn' && msg.device && { device: msg.device }),
          }
        : {};
      return { action, payload: await broker.requests.request(request, body, timeoutMs) };
    };

    this.on('input', (msg, send, done) => {
      ask(msg).then(
        (answer) => {
          this.status(broker.link.status());
          send([{ ...msg, ...answer }, null]);
          done();
        },
        (error) => fail({ node: this, msg, send, done }, error),
      );
    });
  }

  RED.nodes.registerType('ledge-control', LedgeControl);
};
