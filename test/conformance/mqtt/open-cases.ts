/** Cases that the own broker does not pass, by name; docs/broker.md says why. */
export const OPEN: ReadonlySet<string> = new Set([
  '5 subscribe answers [4.8.2]: a message for a shared subscription goes to one of the group',
]);

/** Cases that mosquitto 2.0.11 does not pass with its defaults. */
export const FAILED_BY_MOSQUITTO: ReadonlySet<string> = new Set([
  '3.1.1 malformed packets [MQTT-2.1.3-1]: a PINGREQ with flags ends the connection',
  '3.1.1 malformed packets [MQTT-3.3.1-2]: a PUBLISH with DUP and QoS 0 ends the connection',
  '3.1.1 overlapping subscriptions [MQTT-3.3.5-1]: a message for two subscriptions comes with the highest QoS of them',
  '5 basic [3.7.2.1]: a PUBREC for an identifier that is not in use gets a PUBREL with 0x92',
  '5 basic [MQTT-3.1.0-2]: a second CONNECT closes the connection',
  '5 basic [MQTT-3.1.4-3]: a second connection under a client id closes the first',
  '5 connect options [3.1.2.11.6]: Response Information is given to a client that asks',
  '5 flow control [MQTT-3.3.4-7]: a client that sends more than the announced Receive Maximum is told 0x93',
  '5 keep-alive [MQTT-3.1.2-22]: a client that is silent for one and a half keep-alives is closed, its will published',
  '5 keep-alive [MQTT-3.2.2-21]: a keep-alive that the server does not want is replaced by its own',
  '5 malformed packets [2.2.2.2]: a property twice ends the connection',
  '5 malformed packets [3.14.2.2.2]: a Session Expiry Interval twice in DISCONNECT ends the connection',
  '5 malformed packets [3.15]: an AUTH without an authentication method ends the connection',
  '5 malformed packets [4.8]: a CONNACK from a client ends the connection',
  '5 malformed packets [MQTT-1.5.4-1]: a user property that is not UTF-8 ends the connection',
  '5 malformed packets [MQTT-1.5.5-1]: a length of five bytes ends the connection',
  '5 malformed packets [MQTT-2.1.3-1]: a PINGREQ with flags ends the connection',
  '5 malformed packets [MQTT-2.1.3-1]: a PUBREL with wrong flags ends the connection',
  '5 malformed packets [MQTT-3.3.1-2]: a PUBLISH with DUP and QoS 0 ends the connection',
  '5 maximum packet size [MQTT-3.2.2-15]: a packet above what the server announced is refused with 0x95',
  '5 properties [3.3.2.3.2]: a payload that is not the UTF-8 it says is refused with 0x99',
  '5 properties [MQTT-3.3.2-14]: a Response Topic with a wildcard is a protocol error',
  '5 properties [MQTT-3.3.4-6]: a client that publishes with a Subscription Identifier breaks the protocol',
  '5 subscribe answers [MQTT-3.8.3-4]: No Local on a shared subscription is a protocol error',
  '5 topic aliases [3.1.2.11.5]: a client with a Topic Alias Maximum gets a topic by its number the second time',
  '5 topic aliases [MQTT-3.3.2-8]: an alias of 0 is refused with 0x94',
  '5 will [3.1.2.5]: a will is published after DISCONNECT with 0x80',
  '5 will [3.1.3.2.2]: a will does not wait longer than its session lasts',
]);
