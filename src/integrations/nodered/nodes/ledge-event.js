const { attach } = require('../lib/client');
const { bytesOf } = require('../lib/payload');
const { sendEvents } = require('../lib/send-event');

module.exports = function register(RED) {
  function LedgeEvent(config) {
    RED.nodes.createNode(this, config);
    const broker = attach(RED, this, config);
    if (broker === undefined) return;
    sendEvents(this, broker, { config, encode: bytesOf, decode: (fields) => fields });
  }

  RED.nodes.registerType('ledge-event', LedgeEvent);
};
