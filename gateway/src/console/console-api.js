// Calls of the HTTP API. A refusal becomes an Error with the problem's own words.

export async function call(method, path, body) {
  const request = { method, headers: { accept: 'application/json' } };
  if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(path, request);
  if (answer.status === 204) return undefined;
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const where = json.field ? ` (${json.field})` : '';
    throw new Error(`${json.detail ?? json.title ?? answer.statusText}${where}`);
  }
  return json;
}

/** The first page of a list, and whether there are more. */
export async function list(path, items, parameters = {}) {
  const query = new URLSearchParams({ limit: 200 });
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, value);
  }
  const page = await call('GET', `${path}?${query}`);
  return { items: page[items] ?? [], more: page.next_cursor !== undefined };
}
