const { Failure } = require('./failure');

/** Whether a topic fits a filter with `+` and `#`. */
function matches(filter, topic) {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  for (let at = 0; at < wanted.length; at += 1) {
    if (wanted[at] === '#') return true;
    if (at >= levels.length) return false;
    if (wanted[at] !== '+' && wanted[at] !== levels[at]) return false;
  }
  return levels.length === wanted.length;
}

/** The filter of a flow's topic pattern for one device, or for all where that is empty or `+`. */
function filterOf(pattern, device) {
  return pattern.replace('{device}', device || '+');
}

/** The topic of a flow's pattern for one device. Fails with `no-device`, `no-topic`. */
function topicOf(pattern, device) {
  if (pattern.includes('{device}') && !isSegment(device)) {
    throw new Failure(
      'no-device',
      `Cannot send the event: "${device}" is not the name of a device`,
    );
  }
  const topic = pattern.replace('{device}', device);
  if (/[+#]/.test(topic)) {
    throw new Failure(
      'no-topic',
      `Cannot send the event: give msg.topic, one that fits "${topic}"`,
    );
  }
  return topic;
}

function isSegment(name) {
  return typeof name === 'string' && name !== '' && !/[+#/\0]/.test(name);
}

module.exports = { matches, filterOf, topicOf };
