const { fail, milliseconds } = require('./client');

const TIMEOUT_MS = 10_000;

/**
 * Makes a node send each message as an event and its result on: `encode` makes the payload's bytes,
 * `decode` the fields of a result those of a message.
 */
function sendEvents(node, { link, exchange }, { config, encode, decode }) {
  node.on('input', (msg, send, done) => {
    const flow = config.flow || msg.flow;
    const show = () => {
      const text = exchange.waiting > 0 ? `${exchange.waiting} waiting` : undefined;
      const status = link.status();
      node.status(text && status.fill === 'green' ? { ...status, fill: 'blue', text } : status);
    };
    const event = {
      flow,
      device: config.device || msg.device || 'node-red',
      topic: msg.topic && config.useTopic ? msg.topic : undefined,
      contentType: msg.contentType,
      timeoutMs: milliseconds(msg.timeout ?? config.timeout, TIMEOUT_MS),
      keep: config.keep,
      onResult: (fields) => send([{ ...msg, ...decode(fields) }, null]),
    };
    const sent = (async () => exchange.send({ ...event, payload: encode(msg.payload) }))();
    show();
    sent.then(
      () => {
        show();
        done();
      },
      (error) => fail({ node, msg, send, done }, error),
    );
  });
}

module.exports = { sendEvents };
