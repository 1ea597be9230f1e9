// What pages are made of. Text only ever becomes text nodes.

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function field(label, input, className = '') {
  return el('label', { class: className }, label, input);
}

/** A table; headings that start with # are of numbers. */
export function table(headings, rows) {
  const classOf = headings.map((heading) => (heading.startsWith('#') ? 'number' : ''));
  return el('table', {},
    el('thead', {}, el('tr', {}, ...headings.map((heading, i) => el('th', { scope: 'col', class: classOf[i] }, heading.replace('#', ''))))),
    el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell, i) => el('td', { class: classOf[i] }, cell ?? ''))))));
}

const figures = new Intl.NumberFormat();
export const number = (value) => (value === undefined || value === null ? '' : figures.format(value));
export const when = (ms) => (ms === undefined ? '' : new Date(ms).toLocaleString());

/** A message's payload as people read it. */
export function payload(message) {
  let text;
  if (message.value_base64 !== undefined) text = `base64: ${message.value_base64}`;
  else if (message.value === undefined || message.value === null) text = '(no value)';
  else text = typeof message.value === 'string' ? message.value : JSON.stringify(message.value, null, 2);
  return el('pre', { class: 'value' }, text.length > 20000 ? `${text.slice(0, 20000)}…` : text);
}

export function headersOf(message) {
  const headers = message.headers ?? [];
  const pairs = Array.isArray(headers)
    ? headers.map((header) => [header.name, header.value ?? header.value_base64])
    : Object.entries(headers);
  return pairs.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join('\n');
}

let hide;
/** Shows a line at the bottom for a moment: an Error as such, a string as good news. */
export function notify(news) {
  const line = document.getElementById('notice');
  line.className = news instanceof Error ? 'bad' : '';
  line.textContent = news instanceof Error ? news.message : news;
  line.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { line.hidden = true; }, 6000);
}
