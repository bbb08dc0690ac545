const { EventEmitter } = require('node:events');
const { openConnection } = require('./connection');

/** Nodes of one page listen each for itself: no limit worth a warning. */
const LISTENERS_MAX = 0;

/**
 * The connection to one Ledge node, shared by all that use it: what the node says of itself is kept as
 * `state`, `flows` and `devices`. Emits `change` when any of that, or the connection, becomes another,
 * and `problem`.
 */
function openLink({ url, options, node }) {
  const base = `ledge/${node}`;
  const link = new EventEmitter().setMaxListeners(LISTENERS_MAX);
  let last = '';
  link.base = base;
  link.state = 'unknown';
  link.flows = undefined;
  link.devices = undefined;

  const connection = openConnection({
    url,
    options,
    onChange(online) {
      last = '';
      if (!online) link.state = 'unknown';
      link.emit('change');
    },
    onProblem(error) {
      // A broker that is away says the same every second.
      if (error.message === last) return;
      last = error.message;
      link.emit('problem', error);
    },
  });
  link.connection = connection;

  keep('state', ({ state }) => {
    link.state = state;
  });
  keep('flows', ({ flows }) => {
    if (Array.isArray(flows)) link.flows = flows.filter(({ name }) => typeof name === 'string');
  });
  keep('devices', (body) => {
    link.devices = body;
  });

  function keep(name, take) {
    connection.subscribe(`${base}/bridge/${name}`, (_topic, payload) => {
      const body = parseJson(payload);
      if (body === null || typeof body !== 'object') return;
      take(body);
      link.emit('change');
    });
  }

  /** A flow as the node lists it; undefined where it is not, or the list has not come. */
  link.flow = (name) => link.flows?.find((flow) => flow.name === name);
  /** What a node shows below itself. */
  link.status = () => {
    if (!connection.online) return { fill: 'red', shape: 'ring', text: 'disconnected' };
    if (link.state === 'offline') return { fill: 'yellow', shape: 'ring', text: 'node offline' };
    if (link.state === 'unknown') return { fill: 'yellow', shape: 'ring', text: `no ${base}` };
    return { fill: 'green', shape: 'dot', text: 'connected' };
  };
  link.close = () => connection.close();
  return link;
}

/** A payload as JSON; undefined where it is none. */
function parseJson(payload) {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}

module.exports = { openLink, parseJson };
