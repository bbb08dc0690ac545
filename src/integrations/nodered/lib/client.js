/**
 * What each node on a page shares: the link of its broker with the node's status following it, and one
 * way to fail. Gives undefined, said in the status, where no broker is chosen.
 */
function attach(RED, node, config) {
  const broker = RED.nodes.getNode(config.broker);
  if (broker?.link === undefined) {
    node.status({ fill: 'red', shape: 'ring', text: 'no broker' });
    return undefined;
  }
  const { link } = broker;
  const show = () => node.status(link.status());
  link.on('change', show);
  node.on('close', () => link.off('change', show));
  show();
  return broker;
}

/**
 * Hands an error on: by the second output where something is wired to it, the message with `error` =
 * {code, message, ...details}; else to the catch nodes.
 */
function fail({ node, msg, send, done }, error) {
  const { code = 'failed', message, details } = error;
  node.status({ fill: 'red', shape: 'dot', text: code });
  if ((node.wires[1] ?? []).length === 0) {
    done(error);
    return;
  }
  send([null, { ...msg, error: { code, message, ...details } }]);
  done();
}

/** A number of milliseconds from a field of the editor. */
function milliseconds(text, otherwise) {
  const seconds = Number(text);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : otherwise;
}

module.exports = { attach, fail, milliseconds };
