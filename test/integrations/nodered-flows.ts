/** The broker of one page: where it is, and its name in the paths of the page. */
export interface PageBroker {
  readonly name: string;
  readonly url: string;
  /** Of the user "red". */
  readonly password?: string;
}

/**
 * A page of flows: `POST /<name>/event`, `/model` and `/control` answer with the message that came out
 * of the node, and what `ledge in` gives is published on `seen/<name>` and `reported/<name>`, each of
 * the results that `POST /<name>/all` waits for on `each/<name>`.
 */
export function page({ name, url, password }: PageBroker): readonly object[] {
  const { hostname, port } = new URL(url);
  const at = (id: string) => `${name}-${id}`;
  const placed = { z: at('tab'), x: 200, y: 100 };
  const ledge = { ...placed, broker: at('ledge'), flow: '', device: '', timeout: '5' };

  /** `http in`, then a function, then the node, whose outputs both answer the request. */
  function served(kind: string, type: string, more: object, out = 'answer'): object[] {
    return [
      {
        id: at(`${kind}-in`),
        type: 'http in',
        ...placed,
        url: `/${name}/${kind}`,
        method: 'post',
        wires: [[at(`${kind}-ask`)]],
      },
      {
        id: at(`${kind}-ask`),
        type: 'function',
        ...placed,
        func: ASK,
        outputs: 1,
        wires: [[at(kind)]],
      },
      { id: at(kind), type, ...ledge, ...more, wires: [[at(out)], [at(out)]] },
    ];
  }

  return [
    { id: at('tab'), type: 'tab', label: name },
    {
      id: at('ledge'),
      type: 'ledge-broker',
      url,
      node: 'test',
      ...(password !== undefined && { credentials: { username: 'red', password } }),
    },
    {
      id: at('mqtt'),
      type: 'mqtt-broker',
      broker: hostname,
      port,
      protocolVersion: '4',
      keepalive: '60',
      cleansession: true,
      autoConnect: true,
    },
    ...served('event', 'ledge-event', { keep: 'first' }),
    ...served('all', 'ledge-event', { keep: 'all', timeout: '1' }, 'each'),
    {
      id: at('each'),
      type: 'function',
      ...placed,
      func: EACH,
      outputs: 2,
      wires: [[at('answer')], [at('told')]],
    },
    {
      id: at('told'),
      type: 'function',
      ...placed,
      func: tell(`each/${name}`),
      outputs: 1,
      wires: [[at('out')]],
    },
    ...served('model', 'ledge-model', {}),
    ...served('control', 'ledge-control', { action: '' }),
    {
      id: at('answer'),
      type: 'function',
      ...placed,
      func: ANSWER,
      outputs: 1,
      wires: [[at('respond')]],
    },
    {
      id: at('respond'),
      type: 'http response',
      ...placed,
      statusCode: '200',
      headers: {},
      wires: [],
    },
    {
      id: at('caught-in'),
      type: 'http in',
      ...placed,
      url: `/${name}/caught`,
      method: 'post',
      wires: [[at('caught-ask')]],
    },
    {
      id: at('caught-ask'),
      type: 'function',
      ...placed,
      func: ASK,
      outputs: 1,
      wires: [[at('caught')]],
    },
    { id: at('caught'), type: 'ledge-event', ...ledge, wires: [[at('answer')], []] },
    { id: at('catch'), type: 'catch', ...placed, scope: [at('caught')], wires: [[at('answer')]] },
    { id: at('in'), type: 'ledge-in', ...ledge, wires: [[at('seen')], [at('reported')]] },
    {
      id: at('seen'),
      type: 'function',
      ...placed,
      func: tell(`seen/${name}`),
      outputs: 1,
      wires: [[at('out')]],
    },
    {
      id: at('reported'),
      type: 'function',
      ...placed,
      func: tell(`reported/${name}`),
      outputs: 1,
      wires: [[at('out')]],
    },
    {
      id: at('out'),
      type: 'mqtt out',
      ...placed,
      topic: '',
      qos: '1',
      retain: 'false',
      broker: at('mqtt'),
      wires: [],
    },
  ];
}

/** An example as it is shipped, its broker set as its user would: this URL, and the node "test". */
export function onNode(example: readonly object[], url: string): readonly object[] {
  const set = { url, node: 'test' };
  return example.map((one) =>
    'type' in one && one.type === 'ledge-broker' ? { ...one, ...set } : one,
  );
}

/** The fields of the request's JSON are those of the message; `floats` makes a typed payload. */
const ASK = `
const { floats, ...fields } = msg.payload;
Object.assign(msg, { topic: undefined, payload: undefined }, fields);
if (floats) msg.payload = new Float32Array(floats);
return msg;`;

/** The message as JSON, without the request that Node-RED carries in it. */
const ANSWER = `
const { req, res, _msgid, ...fields } = msg;
const data = fields.payload && fields.payload.value && fields.payload.value.data;
if (data) fields.typed = { kind: data.constructor.name, numbers: Array.from(data) };
msg.payload = fields;
delete msg.headers;
return msg;`;

/** Of several results the first answers the request; all are told. */
const EACH = `
const { req, res, ...told } = msg;
const first = !context.get(msg._msgid);
context.set(msg._msgid, true);
return [first ? msg : null, told];`;

function tell(topic: string): string {
  return `
const { _msgid, ...fields } = msg;
return { topic: ${JSON.stringify(topic)}, payload: fields };`;
}
