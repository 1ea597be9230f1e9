// The console: a handful of views over the public API. No state but the address.
import { call, list } from '/console-api.js';
import { el, field, notify, number, table, when } from '/console-page.js';
import { showTopic } from '/console-topic.js';

const main = document.getElementById('main');
const name = (text) => encodeURIComponent(text);

async function topics() {
  const prefix = el('input', { type: 'search', 'aria-label': 'Filter by prefix', placeholder: 'Filter by prefix' });
  const rows = el('div', { class: 'scroll' });
  const fill = async () => {
    const { items, more } = await list('/v1/topics', 'topics', { prefix: prefix.value });
    rows.replaceChildren(
      items.length
        ? table(['Topic', 'Model', '#Depth', '#Leased', '#Delayed', '#Consumers'], items.map(topicRow))
        : el('p', { class: 'faint' }, prefix.value ? 'No topic starts so.' : 'No topics yet. Make one below.'),
      more ? el('p', { class: 'faint' }, 'There are more; filter to see them.') : '',
    );
  };
  prefix.addEventListener('input', () => fill().catch(notify));
  await fill();
  return [
    el('h1', {}, 'Topics'),
    el('section', { class: 'panel' }, el('div', { class: 'bar' }, prefix), rows),
    newTopic(),
  ];
}

function topicRow(topic) {
  const link = el('a', { href: `#/topics/${name(topic.name)}` }, topic.name);
  const model = el('span', { class: 'tag' }, topic.model);
  if (topic.model === 'log') {
    const records = topic.partitions.reduce((sum, one) => sum + one.high_watermark - one.log_start_offset, 0);
    return [link, model, number(records), '', '', ''];
  }
  const stats = topic.queue_stats ?? {};
  return [link, model, number(stats.ready), number(stats.leased), number(stats.delayed), number(stats.consumers)];
}

function newTopic() {
  const form = el('form', { class: 'panel' },
    el('h2', {}, 'New topic'),
    el('div', { class: 'bar' },
      field('Name', el('input', { name: 'name', required: '', maxlength: 200, autocomplete: 'off' }), 'wide'),
      field('Model', el('select', { name: 'model' }, el('option', { value: 'queue' }, 'queue'), el('option', { value: 'log' }, 'log'))),
      field('Partitions (log)', el('input', { name: 'partitions', type: 'number', min: 1, max: 10000, value: 1 })),
      el('button', { class: 'main' }, 'Create'),
    ));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const body = data.get('model') === 'log'
      ? { model: 'log', log: { partitions: Number(data.get('partitions')) } }
      : { model: 'queue', queue: {} };
    try {
      await call('PUT', `/v1/topics/${name(data.get('name'))}`, body);
      location.hash = `#/topics/${name(data.get('name'))}`;
    } catch (problem) {
      notify(problem);
    }
  });
  return form;
}

async function groups() {
  const { items } = await list('/v1/groups', 'groups');
  const rows = items.map((group) => [
    el('a', { href: `#/groups/${name(group.group)}` }, group.group), number(group.members),
  ]);
  const content = rows.length ? table(['Group', '#Members'], rows) : el('p', { class: 'faint' }, 'No consumer groups yet.');
  return [el('h1', {}, 'Consumer groups'), el('section', { class: 'panel scroll' }, content)];
}

async function group(id) {
  const found = await call('GET', `/v1/groups/${name(id)}`);
  const members = found.members.map((member) => [
    member.member_id, member.partitions.map((one) => `${one.topic}/${one.partition}`).join(', '),
  ]);
  const offsets = found.offsets.map((one) => [
    el('a', { href: `#/topics/${name(one.topic)}` }, one.topic),
    number(one.partition), number(one.committed), number(one.log_end), number(one.lag),
  ]);
  return [
    el('h1', {}, `Group ${found.group}`),
    el('section', { class: 'panel scroll' }, el('h2', {}, `Offsets: ${number(found.lag)} behind`),
      table(['Topic', '#Partition', '#Committed', '#End', '#Lag'], offsets)),
    el('section', { class: 'panel scroll' }, el('h2', {}, 'Members'),
      members.length ? table(['Member', 'Reads'], members) : el('p', { class: 'faint' }, 'Nobody reads now.')),
  ];
}

async function jobs() {
  const { items } = await list('/v1/replays', 'jobs');
  const rows = items.map((job) => {
    const cancel = el('button', {}, 'Cancel');
    cancel.addEventListener('click', () => call('POST', `/v1/replays/${name(job.id)}/cancel`).then(show, notify));
    return [
      job.kind, job.source, job.destination ?? 'origin', job.error ? `${job.state}: ${job.error}` : job.state,
      job.total === undefined ? number(job.moved) : `${number(job.moved)} of ${number(job.total)}`,
      when(job.started_at), job.state === 'running' ? cancel : '',
    ];
  });
  const content = rows.length
    ? table(['Kind', 'From', 'To', 'State', '#Moved', 'Started', ''], rows)
    : el('p', { class: 'faint' }, 'No replays or redrives.');
  return [el('h1', {}, 'Jobs'), el('section', { class: 'panel scroll' }, content)];
}

const views = { topics: (id) => (id ? showTopic(id) : topics()), groups: (id) => (id ? group(id) : groups()), jobs };
let leave = () => {};

async function show() {
  leave();
  leave = () => {};
  const [view = 'topics', id] = location.hash.replace(/^#\//, '').split('/').filter(Boolean).map(decodeURIComponent);
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#/${view}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  try {
    const shown = await (views[view] ?? topics)(id);
    leave = shown.leave ?? leave;
    main.replaceChildren(...shown);
    document.title = `${main.querySelector('h1')?.textContent ?? 'Console'} · Sluice`;
  } catch (problem) {
    main.replaceChildren(el('h1', {}, 'Not found'), el('p', {}, problem.message));
    notify(problem);
  }
}

async function health() {
  const sign = document.getElementById('health');
  try {
    const answer = await fetch('/readyz');
    const why = answer.ok ? 'ready' : (await answer.json()).detail;
    sign.className = answer.ok ? 'good' : 'bad';
    sign.textContent = why;
  } catch {
    sign.className = 'bad';
    sign.textContent = 'not reachable';
  }
}

addEventListener('hashchange', show);
show();
health();
setInterval(health, 5000);
