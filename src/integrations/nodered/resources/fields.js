/* What the Ledge nodes' edit dialogs share: fields with a dropdown of what the node tells now. */
// biome-ignore lint/correctness/noUnusedVariables: used by the pages of the nodes
const ledgeFields = (() => {
  /** What the chosen broker's node tells: its flows and devices; nothing before it is deployed. */
  function ask(done) {
    const id = $('#node-input-broker').val();
    $.getJSON(`ledge-broker/${id}`).then(done, () => done({ flows: [], devices: [] }));
  }

  /** Makes an input complete itself from `list(answer)`, a list of {value, text}. */
  function dropdown(input, list) {
    input.autoComplete({
      minLength: 0,
      search(value, done) {
        ask((answer) => {
          const all = list(answer);
          const fitting = all.filter((one) => one.value.includes(value));
          done((fitting.length > 0 ? fitting : all).map(option));
        });
      },
    });
    $('<a class="red-ui-button" style="margin-left: 4px"><i class="fa fa-caret-down"></i></a>')
      .insertAfter(input)
      .on('click', () => input.trigger($.Event('keyup', { keyCode: 40 })));
  }

  function option({ value, text }) {
    const label = $('<div>').append($('<b>').text(value));
    if (text) label.append($('<div>').css({ fontSize: '80%', whiteSpace: 'normal' }).text(text));
    return { value, label };
  }

  function flows(fits) {
    const list = (answer) =>
      answer.flows.filter(fits ?? (() => true)).map(({ name, state, description }) => ({
        value: name,
        text: [state === 'running' ? '' : state, description].filter(Boolean).join(': '),
      }));
    dropdown($('#node-input-flow'), list);
  }

  function devices() {
    const list = (answer) => {
      const flow = $('#node-input-flow').val();
      const seen = answer.devices.filter((one) => !flow || one.flow === flow);
      return [...new Set(seen.map(({ device }) => device))].map((value) => ({ value }));
    };
    dropdown($('#node-input-device'), list);
  }

  return { flows, devices };
})();
