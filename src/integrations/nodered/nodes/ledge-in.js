const { attach } = require('../lib/client');
const { fieldsOf } = require('../lib/envelope');
const { filterOf } = require('../lib/topic');

module.exports = function register(RED) {
  function LedgeIn(config) {
    RED.nodes.createNode(this, config);
    const broker = attach(RED, this, config);
    if (broker === undefined) return;
    const { link } = broker;
    const { base, connection } = link;
    const flow = config.flow || '+';
    const device = config.device || '+';
    const results = new Map();

    const reports = ['dropped', 'dead-letter'].map((kind) =>
      connection.subscribe(`${base}/${flow}/${kind}`, (topic, payload, packet) => {
        this.send([null, { ...fieldsOf(topic, payload, packet), report: kind }]);
      }),
    );

    /** Results are where the node's list says, which may change as flows come and go. */
    const follow = () => {
      const wanted = new Set(filtersOf(link, flow, device));
      for (const [filter, subscription] of results) {
        if (wanted.has(filter)) continue;
        subscription.end();
        results.delete(filter);
      }
      for (const filter of wanted) {
        if (!results.has(filter)) results.set(filter, connection.subscribe(filter, receive));
      }
    };

    const receive = (topic, payload, packet) => {
      if (topic.startsWith(`${base}/`) && /\/(dropped|dead-letter)$/.test(topic)) return;
      this.send([{ ...fieldsOf(topic, payload, packet), retain: packet.retain }, null]);
    };

    link.on('change', follow);
    follow();
    this.on('close', () => {
      link.off('change', follow);
      for (const subscription of [...reports, ...results.values()]) subscription.end();
    });
  }

  RED.nodes.registerType('ledge-in', LedgeIn);
};

/** The filters of a flow's results, or of all flows' once the node has told them. */
function filtersOf(link, flow, device) {
  if (flow !== '+') {
    const out = link.flow(flow)?.out ?? `${link.base}/${flow}/{device}`;
    return [filterOf(out, device)];
  }
  return (link.flows ?? []).flatMap(({ out }) => (out ? filterOf(out, device) : []));
}
