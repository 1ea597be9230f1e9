// A real browser at the console, the API's page and a socket, and on a page of somebody else's.
// Usage: browser.mjs STEP CHROMIUM KEY URL USER PASSWORD ; it prints what happened, as JSON. KEY is the hash of the one
// public key that the browser trusts beside those that everybody does.
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const [step, executablePath, key, url, username, password] = process.argv.slice(2);
const authorization = "Basic " + Buffer.from(`${username}:${password}`).toString("base64");

// Whatever the browser refuses to do for a page because of its policy, and whatever goes wrong in it.
async function watched(context) {
  const page = await context.newPage();
  const seen = { violations: [], errors: [] };
  await page.exposeFunction("violated", (what) => seen.violations.push(what));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
    window.violated(`${effectiveDirective} ${blockedURI}`)));
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  return { page, seen };
}

// What the browser's own login dialog is for: pages keep no secret.
const loggedIn = (browser) => browser.newContext({ httpCredentials: { username, password, origin: url } });

async function pages(browser) {
  const { page, seen } = await watched(await loggedIn(browser));
  await page.goto(url);
  await page.getByRole("link", { name: "jobs", exact: true }).click();
  await page.getByRole("heading", { name: "jobs" }).waitFor();
  const health = page.getByRole("status").filter({ hasText: "ready" });
  await health.waitFor();
  await page.goto(`${url}/docs`);
  await page.getByText("/v1/topics/{topic}", { exact: true }).first().waitFor();
  const peaceful = structuredClone(seen);
  // What somebody could smuggle into a page is not run, and is noticed here.
  const ran = await page.evaluate(async () => {
    const violated = new Promise((resolve) => addEventListener("securitypolicyviolation", resolve, { once: true }));
    const script = document.createElement("script");
    script.textContent = "window.smuggled = true";
    document.body.append(script);
    await violated;
    return window.smuggled === true;
  });
  return { ...peaceful, ran, noticed: seen.violations.slice(peaceful.violations.length) };
}

// In the page: opens a socket, publishes and receives; answers what came of it.
function talk([target, ticket]) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${target.replace("https", "wss")}/v1/ws?ticket=${ticket}`, ["sluice.v1.json"]);
    let id = 0;
    const ask = (command) => socket.send(JSON.stringify({ id: ++id, ...command }));
    socket.onopen = () => {
      ask({ type: "subscribe", topic: "jobs", credit: { messages: 1 } });
      ask({ type: "publish", topic: "jobs", messages: [{ value: "from a browser" }] });
    };
    socket.onmessage = ({ data }) => {
      const told = JSON.parse(data);
      if (told.type === "error") resolve(told.error.code);
      if (told.type !== "message") return;
      resolve(told.messages[0].value);
      socket.close();
    };
    socket.onerror = () => resolve("refused");
  });
}

// In the page: asks for a ticket as a page does whose user has typed a name and a password.
async function ask([target, authorization]) {
  const answer = await fetch(`${target}/v1/tickets`, { method: "POST", headers: { authorization } });
  return (await answer.json()).ticket;
}

async function socket(browser) {
  const { page, seen } = await watched(await browser.newContext());
  await page.goto(`${url}/docs`);
  const ticket = await page.evaluate(ask, [url, authorization]);
  const first = await page.evaluate(talk, [url, ticket]);
  const second = await page.evaluate(talk, [url, ticket]);
  const made_up = await page.evaluate(talk, [url, "AAAA"]);
  return { first, second, made_up, violations: seen.violations };
}

async function elsewhere(browser) {
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>evil</title>"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const evil = `http://127.0.0.1:${server.address().port}`;
  const context = await loggedIn(browser);
  const own = await context.newPage();
  // The browser knows the user's password from here on, and sends it along whoever asks.
  await own.goto(url);
  await own.getByRole("link", { name: "jobs", exact: true }).waitFor();
  const ticket = await own.evaluate(ask, [url, authorization]);
  const page = await context.newPage();
  const told = [];
  page.on("response", (response) => {
    const method = response.request().method();
    if (response.url().startsWith(url) && method !== "OPTIONS") told.push(`${method} ${response.status()}`);
  });
  await page.goto(evil);
  const messages = `${url}/v1/topics/jobs/messages`;
  const silent = await page.evaluate(async (to) =>
    (await fetch(to, { method: "POST", mode: "no-cors", credentials: "include", body: "stolen" })).type, messages);
  const attempts = await page.evaluate(async ([to, topic]) => {
    const outcome = (request) => request.then(({ status }) => `read: ${status}`, () => "kept from it");
    return {
      json: await outcome(fetch(to, { method: "POST", credentials: "include", body: '{"messages":[]}',
        headers: { "content-type": "application/json" } })),
      removal: await outcome(fetch(topic, { method: "DELETE", credentials: "include" })),
      reading: await outcome(fetch(topic, { credentials: "include" })),
    };
  }, [messages, `${url}/v1/topics/jobs`]);
  const socket = await page.evaluate(talk, [url, ticket]);
  // A form is no script: nobody asks beforehand whether it may be sent.
  const [sent] = await Promise.all([
    page.waitForResponse((response) => response.url() === messages),
    page.evaluate((to) => {
      const form = Object.assign(document.createElement("form"), { method: "post", enctype: "text/plain", action: to });
      form.append(Object.assign(document.createElement("input"), { name: "stolen", value: "1" }));
      document.body.append(form);
      form.submit();
    }, messages),
  ]);
  const form = [sent.status(), (await sent.json()).code];
  await page.goto(evil);
  const framed = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
  await page.evaluate((to) => document.body.append(Object.assign(document.createElement("iframe"), { src: to })), url);
  await framed;
  // The ticket was good all the while, and the page of the server's own may do all of it.
  const own_socket = await own.evaluate(talk, [url, ticket]);
  const own_post = await own.evaluate(async (to) => (await fetch(to, { method: "POST", body: "own" })).status, messages);
  server.close();
  return { silent, ...attempts, socket, form, own_socket, own_post, told };
}

const browser = await chromium.launch({
  executablePath, args: [`--ignore-certificate-errors-spki-list=${key}`],
});
try {
  console.log(JSON.stringify(await { pages, socket, elsewhere }[step](browser)));
} finally {
  await browser.close();
}
