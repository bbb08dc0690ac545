const { attach } = require('../lib/client');
const { floatBytesOf, withArrays } = require('../lib/payload');
const { sendEvents } = require('../lib/send-event');

module.exports = function register(RED) {
  function LedgeModel(config) {
    RED.nodes.createNode(this, config);
    const broker = attach(RED, this, config);
    if (broker === undefined) return;
    const decode = ({ payload, ...fields }) => ({ ...fields, payload: withArrays(payload) });
    sendEvents(this, broker, { config, encode: floatBytesOf, decode });
  }

  RED.nodes.registerType('ledge-model', LedgeModel);
};
