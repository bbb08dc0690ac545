const { randomBytes } = require('node:crypto');
const { Failure } = require('./failure');
const { parseJson } = require('./link');

/** Requests to the node on bridge/request, each with its answer by transaction. */
function createRequests(link) {
  const { connection, base } = link;
  const waiting = new Map();
  const subscription = connection.subscribe(`${base}/bridge/response/#`, (_topic, payload) => {
    const body = parseJson(payload);
    waiting.get(body?.transaction)?.(body);
  });

  /** Gives the answer's data. Fails with `refused`, `timeout`, `offline`. */
  async function request(name, body, timeoutMs) {
    const transaction = randomBytes(12).toString('hex');
    let timer;
    try {
      const answered = new Promise((resolve, reject) => {
        waiting.set(transaction, resolve);
        timer = setTimeout(() => {
          reject(new Failure('timeout', `No answer to "${name}" within ${timeoutMs} ms`));
        }, timeoutMs);
      });
      answered.catch(() => {});
      const payload = Buffer.from(JSON.stringify({ ...body, transaction }));
      await connection.publish(`${base}/bridge/request/${name}`, payload);
      const { status, data, error } = await answered;
      if (status !== 'ok') throw new Failure('refused', String(error), { request: name });
      return data;
    } finally {
      clearTimeout(timer);
      waiting.delete(transaction);
    }
  }

  return { request, close: () => subscription.end() };
}

module.exports = { createRequests };
