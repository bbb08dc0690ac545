const { randomBytes } = require('node:crypto');
const { fieldsOf } = require('./envelope');
const { Failure } = require('./failure');
const { parseJson } = require('./link');
const { filterOf, topicOf } = require('./topic');

/** Events that wait for their results at a time; more would only time out. */
const WAITING_MAX = 1000;

/**
 * Sends events and finds the answer to each: its results, its dead letter, or the word that it was
 * dropped. Over MQTT 5 by correlation data; over 3.1.1, which has none, the events of a device go one
 * after the other and its next result is the answer.
 */
function createExchange(link) {
  const { connection, base } = link;
  const replyTopic = `node-red/${connection.clientId}/reply`;
  const waiting = new Map();
  const queues = new Map();
  const outs = new Map();
  const subscriptions = [
    connection.subscribe(replyTopic, (topic, payload, packet) => {
      const one = waiting.get(keyOf(packet));
      one?.result(fieldsOf(topic, payload, packet));
    }),
    connection.subscribe(`${base}/+/dead-letter`, (_topic, payload, packet) => {
      const body = parseJson(payload);
      const one = waiting.get(keyOf(packet)) ?? oldest(body?.flow, body?.device);
      const { code = 'dead-letter', message = 'The event failed' } = body?.error ?? {};
      one?.fail(new Failure(code, message, { deadLetter: body }));
    }),
    connection.subscribe(`${base}/+/dropped`, (_topic, payload) => {
      const body = parseJson(payload);
      for (const event of body?.events ?? []) {
        const one = waiting.get(event.correlationData) ?? oldest(body.flow, event.device);
        const message = `Flow "${body.flow}" dropped the event: ${body.reason}`;
        one?.fail(new Failure('dropped', message, { reason: body.reason, event }));
      }
    }),
  ];

  /** The event of a device that is on its way over MQTT 3.1.1. */
  function oldest(flow, device) {
    return waiting.get(`${flow}/${device}`);
  }

  function keyOf(packet) {
    return packet.properties?.correlationData?.toString('base64');
  }

  function checkFlow(name) {
    const flow = link.flow(name);
    if (flow === undefined && link.flows !== undefined) {
      const names = link.flows.map((one) => one.name).join(', ');
      throw new Failure('no-flow', `Cannot send the event: no flow "${name}", only ${names}`);
    }
    if (flow?.state === 'running') return flow;
    if (!connection.online) throw new Failure('offline', 'Cannot send the event: not connected');
    const state = flow?.state ?? 'not known: the node has not told its flows';
    throw new Failure('flow-not-running', `Cannot send the event: flow "${name}" is ${state}`);
  }

  /**
   * Sends one event. `onResult(fields)` is called with each of its results; resolves after the first,
   * or with `keep: 'all'` at the end of the time. Fails with `timeout`, `dropped`, `offline`, `no-flow`,
   * `flow-not-running`, `overload`, or with the code of its dead letter.
   */
  async function send(event) {
    const { flow: name, device } = event;
    const flow = checkFlow(name);
    if (waiting.size + queued() >= WAITING_MAX) {
      const message = `Cannot send the event: ${WAITING_MAX} wait for their results`;
      throw new Failure('overload', message);
    }
    const topic = event.topic || topicOf(flow.in, device);
    if (connection.protocol === '5') {
      const correlationData = randomBytes(12);
      const key = correlationData.toString('base64');
      return answer(key, topic, { correlationData, responseTopic: replyTopic }, event);
    }
    await listen(flow);
    const key = `${name}/${device}`;
    return inTurn(key, () => answer(key, topic, {}, event));
  }

  function answer(key, topic, properties, { payload, contentType, timeoutMs, keep, onResult }) {
    return new Promise((resolve, reject) => {
      let results = 0;
      const end = (settle, value) => {
        clearTimeout(timer);
        if (waiting.get(key) === one) waiting.delete(key);
        settle(value);
      };
      const one = {
        result(fields) {
          results += 1;
          onResult(fields);
          if (keep !== 'all') end(resolve);
        },
        fail: (error) => end(reject, error),
      };
      const timer = setTimeout(() => {
        if (results > 0) end(resolve);
        else one.fail(new Failure('timeout', `No result within ${timeoutMs} ms on "${topic}"`));
      }, timeoutMs);
      waiting.set(key, one);
      const all = {
        ...properties,
        ...(contentType && { contentType }),
        messageExpiryInterval: Math.ceil(timeoutMs / 1000),
      };
      connection.publish(topic, payload, all).catch(one.fail);
    });
  }

  /** Over MQTT 3.1.1 results come on the flow's own topic. */
  async function listen({ name, out }) {
    if (!outs.has(name)) {
      const take = (topic, payload, packet) => {
        const fields = fieldsOf(topic, payload, packet);
        const one = packet.retain ? undefined : oldest(name, fields.ledge.device);
        one?.result(fields);
      };
      outs.set(name, connection.subscribe(filterOf(out, '+'), take));
    }
    await outs.get(name).granted;
  }

  function queued() {
    let count = 0;
    for (const { length } of queues.values()) count += length;
    return count;
  }

  async function inTurn(key, work) {
    const queue = queues.get(key) ?? { length: 0, last: Promise.resolve() };
    queues.set(key, queue);
    queue.length += 1;
    const turn = queue.last.then(work);
    queue.last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      queue.length -= 1;
      if (queue.length === 0) queues.delete(key);
    }
  }

  return {
    send,
    get waiting() {
      return waiting.size;
    },
    close() {
      for (const one of [...subscriptions, ...outs.values()]) one.end();
      for (const one of [...waiting.values()]) one.fail(new Failure('closed', 'Node-RED stops'));
    },
  };
}

module.exports = { createExchange };
