const { parseJson } = require('./link');

/**
 * A result as a message's fields: `payload` is what the flow gave, `ledge` everything around it (id,
 * flow, device, ts, model, timing, source). What is no JSON stays as the bytes it is.
 */
function fieldsOf(topic, payload, packet) {
  const body = parseJson(payload);
  if (body === null || typeof body !== 'object' || !('result' in body)) {
    const contentType = packet.properties?.contentType;
    return { topic, payload: body ?? payload, ledge: contentType ? { contentType } : {} };
  }
  const { result, ...ledge } = body;
  return { topic, payload: result, ledge };
}

module.exports = { fieldsOf };
