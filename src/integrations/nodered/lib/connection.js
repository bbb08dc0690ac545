const { randomBytes } = require('node:crypto');
const mqtt = require('mqtt');
const { Failure } = require('./failure');
const { matches } = require('./topic');

/** A broker that restarts is back within a second or two. */
const RECONNECT_MS = 1000;
/** A broker that refuses the credentials will do so again: asking often looks like an attack. */
const REFUSED_MS = 30_000;
/** CONNACK codes that refuse who asks: of MQTT 3.1.1, of MQTT 5. */
const CREDENTIALS_REFUSED = [0x04, 0x05, 0x86, 0x87, 0x8a, 0x8c];
/** CONNACK codes that say that the broker does not speak this version: of MQTT 3.1.1, of MQTT 5. */
const VERSION_REFUSED = [0x01, 0x84];
/** Beside payload and topic, a packet holds properties: some room for them. */
const PROPERTIES_BYTES_MAX = 1024;
/** A broker that is asked to end the connection and does not is left. */
const CLOSE_MS_MAX = 2000;

/**
 * One connection to a broker, which comes back by itself: MQTT 5, and 3.1.1 where the broker speaks no
 * other. What cannot be sent now is refused at once: nothing waits in a queue without an end.
 * `onChange` is called when it comes and goes, `onProblem` with what went wrong.
 */
function openConnection({ url, options = {}, onChange, onProblem }) {
  const filters = new Map();
  const clientId = `node-red-${randomBytes(6).toString('hex')}`;
  let lastId = 0;
  let limits = {};
  let refusedVersion = false;
  let answered = false;
  let unreachable = false;
  const client = mqtt.connect(url, {
    ...options,
    clientId,
    protocolVersion: 5,
    clean: true,
    resubscribe: false,
    queueQoSZero: false,
    reconnectPeriod: RECONNECT_MS,
    reconnectOnConnackError: true,
  });

  client.on('connect', (connack) => {
    answered = true;
    // A packet is written in parts: without this each waits 40 ms for the one before to be confirmed.
    client.stream.setNoDelay?.(true);
    limits = connack.properties ?? {};
    for (const [filter, entry] of filters) entry.granted = subscribe(filter, entry);
    onChange(true);
  });
  client.on('error', (error) => {
    if (VERSION_REFUSED.includes(error.code)) refusedVersion = true;
    const refused = CREDENTIALS_REFUSED.includes(error.code);
    client.options.reconnectPeriod = refused ? REFUSED_MS : RECONNECT_MS;
    unreachable = typeof error.code === 'string' && error.code !== 'ECONNRESET';
    onProblem(error);
  });
  client.on('close', () => {
    if (answered) onChange(false);
    client.options.protocolVersion = nextVersion();
    answered = false;
    unreachable = false;
  });

  client.on('message', (topic, payload, packet) => {
    const ids = [packet.properties?.subscriptionIdentifier ?? []].flat();
    for (const [filter, { id, handlers }] of [...filters]) {
      if (ids.length > 0 ? !ids.includes(id) : !matches(filter, topic)) continue;
      for (const handler of [...handlers]) handler(topic, payload, packet);
    }
  });

  /** A broker that says so gets 3.1.1 for good, one that only hangs up every other time. */
  function nextVersion() {
    if (refusedVersion) return 4;
    return answered || unreachable || !isVersion5() ? 5 : 4;
  }

  function isVersion5() {
    return client.options.protocolVersion === 5;
  }

  async function subscribe(filter, { id }) {
    const named = isVersion5() && limits.subscriptionIdentifiersAvailable !== false;
    const properties = named ? { properties: { subscriptionIdentifier: id } } : {};
    try {
      await client.subscribeAsync(filter, { qos: 1, ...properties });
      return true;
    } catch (error) {
      onProblem(new Failure('refused', `Cannot subscribe to "${filter}": ${error.message}`));
      return false;
    }
  }

  return {
    clientId,
    get online() {
      return client.connected;
    },
    get protocol() {
      return client.connected ? (isVersion5() ? '5' : '3.1.1') : undefined;
    },

    /** Calls `handler(topic, payload, packet)`, over reconnects too; gives `granted` and `end()`. */
    subscribe(filter, handler) {
      let entry = filters.get(filter);
      if (entry === undefined) {
        lastId += 1;
        entry = { id: lastId, handlers: new Set(), granted: Promise.resolve(false) };
        filters.set(filter, entry);
      }
      entry.handlers.add(handler);
      // Asked for again where it is there already: the newcomer wants what is retained.
      if (client.connected) entry.granted = subscribe(filter, entry);
      return {
        get granted() {
          return entry.granted;
        },
        end() {
          entry.handlers.delete(handler);
          if (entry.handlers.size > 0 || filters.get(filter) !== entry) return;
          filters.delete(filter);
          if (client.connected) client.unsubscribe(filter, () => {});
        },
      };
    },

    /** Resolves once the broker has it. Fails with `offline`, `payload-too-large`, `refused`. */
    async publish(topic, payload, properties = {}) {
      if (!client.connected) {
        throw new Failure('offline', `Cannot publish on "${topic}": ${url} is not connected`);
      }
      const bytes = payload.length + Buffer.byteLength(topic) + PROPERTIES_BYTES_MAX;
      if (bytes > (limits.maximumPacketSize ?? Infinity)) {
        const state = `the broker takes packets of ${limits.maximumPacketSize} bytes at most`;
        throw new Failure('payload-too-large', `Cannot publish ${payload.length} bytes: ${state}`);
      }
      try {
        await client.publishAsync(topic, payload, {
          qos: 1,
          ...(isVersion5() && { properties }),
        });
      } catch (error) {
        throw new Failure('refused', `Cannot publish on "${topic}": ${error.message}`);
      }
    },

    /** Says good-bye; resolves when the connection has ended. */
    async close() {
      filters.clear();
      let late;
      const waited = new Promise((resolve) => {
        late = setTimeout(resolve, CLOSE_MS_MAX);
      });
      await Promise.race([client.endAsync(!client.connected).catch(() => {}), waited]);
      clearTimeout(late);
      client.stream?.destroy();
    },
  };
}

module.exports = { openConnection };
