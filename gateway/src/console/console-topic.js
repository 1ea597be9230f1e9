// One topic: what it holds, a look inside, publishing, following.
import { call } from '/console-api.js';
import { el, field, headersOf, notify, number, payload, table, when } from '/console-page.js';

const name = (text) => encodeURIComponent(text);
const TAIL_ROWS = 200;

export async function showTopic(id) {
  const topic = await call('GET', `/v1/topics/${name(id)}`);
  const isLog = topic.model === 'log';
  const state = el('div', {});
  const refresh = async () => {
    const now = await call('GET', `/v1/topics/${name(id)}`);
    state.replaceChildren(now.model === 'log' ? logState(now) : queueState(now));
  };
  state.append(isLog ? logState(topic) : queueState(topic));
  const look = isLog ? browseLog(topic) : browseQueue(topic);
  const tail = isLog ? follow(topic) : { section: '', stop() {} };
  const shown = [
    el('h1', {}, topic.name, ' ', el('span', { class: 'tag' }, topic.model)),
    el('section', { class: 'panel scroll' }, el('h2', {}, 'Now'), state, actions(topic, refresh)),
    look.section, publish(topic, () => Promise.all([refresh(), look.fill()])), tail.section,
  ];
  await look.fill();
  shown.leave = () => tail.stop();
  return shown;
}

function logState(topic) {
  return table(['#Partition', '#Start', '#End', '#Records'], topic.partitions.map((one) => [
    number(one.partition), number(one.log_start_offset), number(one.high_watermark),
    number(one.high_watermark - one.log_start_offset),
  ]));
}

function queueState(topic) {
  const facts = { ...topic.queue_stats, ...topic.queue };
  const rows = Object.entries(facts).flatMap(([key, value]) => [
    el('dt', {}, key.replaceAll('_', ' ')), el('dd', {}, typeof value === 'number' ? number(value) : String(value)),
  ]);
  return el('dl', {}, ...rows);
}

function actions(topic, refresh) {
  const act = (label, className, question, work) => {
    const button = el('button', { class: className, type: 'button' }, label);
    button.addEventListener('click', () => {
      if (!question || confirm(question)) work().then(() => refresh().catch(() => {}), notify);
    });
    return button;
  };
  const path = `/v1/topics/${name(topic.name)}`;
  const bar = el('div', { class: 'bar' }, act('Refresh', '', '', async () => {}));
  if (topic.model === 'queue') {
    bar.append(act('Redrive dead letters', '', 'Send the dead letters in this queue back to where they came from?', async () => {
      const job = await call('POST', `${path}/redrive`, {});
      notify(`Job ${job.id} started; see Jobs.`);
    }));
  }
  bar.append(act('Delete topic', 'danger push', `Delete ${topic.name} and everything in it?`, async () => {
    await call('DELETE', path);
    location.hash = '#/topics';
  }));
  return bar;
}

function browseQueue(topic) {
  const rows = el('div', { class: 'scroll' });
  const fill = async () => {
    const page = await call('GET', `/v1/topics/${name(topic.name)}/messages?limit=50`);
    const cells = (page.messages ?? []).map((one) => [
      number(one.id), one.state ?? '', number(one.attempt), one.key ?? one.key_base64 ?? '', when(one.timestamp), headersOf(one), payload(one),
    ]);
    rows.replaceChildren(cells.length
      ? table(['#Id', 'State', '#Attempt', 'Key', 'Time', 'Headers', 'Value'], cells)
      : el('p', { class: 'faint' }, 'The queue is empty.'));
  };
  const again = el('button', { type: 'button' }, 'Look again');
  again.addEventListener('click', () => fill().catch(notify));
  const section = el('section', { class: 'panel' }, el('h2', {}, 'First 50 messages'),
    el('p', { class: 'faint' }, 'Looking does not consume.'), rows, el('div', { class: 'bar' }, again));
  return { section, fill };
}

const recordCells = (one) => [
  number(one.partition), number(one.offset), when(one.timestamp), one.key ?? one.key_base64 ?? '', headersOf(one), payload(one),
];
const RECORD_HEADINGS = ['#Partition', '#Offset', 'Time', 'Key', 'Headers', 'Value'];

function browseLog(topic) {
  const partition = el('select', {}, ...topic.partitions.map((one) => el('option', { value: one.partition }, String(one.partition))));
  const from = el('select', {}, ...['newest 50', 'earliest', 'offset', 'time'].map((one) => el('option', {}, one)));
  const at = el('input', { placeholder: 'offset, or 2026-01-31T12:00:00Z' });
  const go = el('button', { class: 'main' }, 'Read');
  const rows = el('div', { class: 'scroll' });
  const fill = async () => {
    const path = `/v1/topics/${name(topic.name)}/partitions/${partition.value}/records`;
    let offset = { earliest: 'earliest', offset: at.value, time: `@${at.value}` }[from.value];
    if (offset === undefined) {
      const now = await call('GET', `/v1/topics/${name(topic.name)}`);
      const bounds = now.partitions.find((one) => String(one.partition) === partition.value);
      offset = Math.max(bounds.log_start_offset, bounds.high_watermark - 50);
    }
    const page = await call('GET', `${path}?${new URLSearchParams({ offset, limit: 50 })}`);
    rows.replaceChildren(page.records.length
      ? table(RECORD_HEADINGS, page.records.map(recordCells))
      : el('p', { class: 'faint' }, 'No records there.'));
  };
  const form = el('form', { class: 'bar' }, field('Partition', partition), field('From', from), field('Where', at, 'wide'), go);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    fill().catch(notify);
  });
  return { section: el('section', { class: 'panel' }, el('h2', {}, 'Records'), form, rows), fill };
}

function publish(topic, done) {
  const form = el('form', { class: 'panel' },
    el('h2', {}, 'Publish'),
    el('div', { class: 'bar' },
      field('Key', el('input', { name: 'key', autocomplete: 'off' }), 'wide'),
      field('Headers, as JSON', el('input', { name: 'headers', autocomplete: 'off', placeholder: '{"origin":"console"}' }), 'wide')),
    field('Value: JSON, or else text', el('textarea', { name: 'value', required: '' })),
    el('div', { class: 'bar' }, el('button', { class: 'main' }, 'Publish')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    try {
      const message = { value: parsed(data.get('value')) };
      if (data.get('key')) message.key = data.get('key');
      if (data.get('headers')) message.headers = JSON.parse(data.get('headers'));
      const { results: [result] } = await call('POST', `/v1/topics/${name(topic.name)}/messages`, { messages: [message] });
      if (result.error) throw new Error(result.error.detail);
      notify(result.offset === undefined ? `Published as message ${result.id}` : `Published to ${result.partition}/${result.offset}`);
      await done();
    } catch (problem) {
      notify(problem);
    }
  });
  return form;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function follow(topic) {
  let source;
  const body = el('tbody', {});
  const rows = table(RECORD_HEADINGS, []);
  rows.querySelector('tbody').replaceWith(body);
  const button = el('button', { type: 'button' }, 'Follow');
  const stop = () => {
    source?.close();
    source = undefined;
    button.textContent = 'Follow';
  };
  button.addEventListener('click', () => {
    if (source) return stop();
    button.textContent = 'Stop';
    source = new EventSource(`/v1/topics/${name(topic.name)}/events?offset=latest`);
    const take = (event) => {
      const cells = recordCells(JSON.parse(event.data));
      const classOf = (i) => (RECORD_HEADINGS[i].startsWith('#') ? 'number' : '');
      body.prepend(el('tr', {}, ...cells.map((cell, i) => el('td', { class: classOf(i) }, cell ?? ''))));
      while (body.rows.length > TAIL_ROWS) body.deleteRow(-1);
    };
    source.addEventListener('message', take);
    source.addEventListener('record', take);
    source.addEventListener('error', () => {
      if (source?.readyState === EventSource.CLOSED) {
        stop();
        notify(new Error('The stream ended.'));
      }
    });
  });
  const section = el('section', { class: 'panel' }, el('h2', {}, 'Live'), el('div', { class: 'bar' }, button),
    el('div', { class: 'scroll' }, rows));
  return { section, stop };
}
