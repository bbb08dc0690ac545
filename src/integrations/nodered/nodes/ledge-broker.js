const { createExchange } = require('../lib/exchange');
const { openLink } = require('../lib/link');
const { createRequests } = require('../lib/requests');

module.exports = function register(RED) {
  function LedgeBroker(config) {
    RED.nodes.createNode(this, config);
    const { username, password } = this.credentials ?? {};
    const options = { ...(username && { username, password }) };
    RED.nodes.getNode(config.tls)?.addTLSOptions(options);
    try {
      this.link = openLink({ url: config.url, options, node: config.node });
    } catch (error) {
      this.error(`Cannot connect to "${config.url}": ${error.message}`);
      return;
    }
    this.exchange = createExchange(this.link);
    this.requests = createRequests(this.link);
    this.link.on('problem', (error) => this.warn(`${config.url}: ${error.message || error.code}`));
    this.on('close', (_removed, done) => {
      this.exchange.close();
      this.requests.close();
      this.link.close().finally(done);
    });
  }

  RED.nodes.registerType('ledge-broker', LedgeBroker, {
    credentials: { username: { type: 'text' }, password: { type: 'password' } },
  });

  // What the editor's dropdowns show: the flows and devices of the node, as it tells them now.
  const allowed = RED.auth.needsPermission('ledge-broker.read');
  RED.httpAdmin.get('/ledge-broker/:id', allowed, (request, response) => {
    const link = RED.nodes.getNode(request.params.id)?.link;
    if (link === undefined) {
      response.status(404).json({ error: 'Deploy this broker first' });
      return;
    }
    const { state, flows = [], devices, connection } = link;
    response.json({
      online: connection.online,
      protocol: connection.protocol,
      state,
      flows,
      devices: devices?.devices ?? [],
    });
  });
};
