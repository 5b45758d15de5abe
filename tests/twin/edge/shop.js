import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";
import { EmailMessage } from "cloudflare:email";

export class Counter extends DurableObject {
  async add() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return { count, code: "CODE" };
  }
  fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket, message) { socket.send(`counted ${message}`); }
}

export class Order extends WorkflowEntrypoint {
  async run(event, step) {
    return step.do("charge", async () => `charged ${event.payload.amount}`);
  }
}

export class Greeter extends WorkerEntrypoint {
  greet(name) { return `hello ${name}`; }
}

const failing = async (work) => { try { return await work(); } catch (e) { return e.message; } };

const asked = {
  kv: async (env) => {
    await env.KV.put("a", "1", { metadata: { m: 1 }, expirationTtl: 600 });
    const { value, metadata } = await env.KV.getWithMetadata("a");
    return [value, metadata, (await env.KV.list()).keys.map((key) => key.name)];
  },
  d1: async (env) => {
    await env.DB.exec("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, what TEXT)");
    await env.DB.batch([env.DB.prepare("INSERT INTO orders (what) VALUES (?)").bind("tea")]);
    return (await env.DB.prepare("SELECT what FROM orders").all()).results;
  },
  object: async (env) => env.COUNTER.getByName("one").add(),
  self: async (env) => env.SELF.greet("me"),
  service: async (env) => [
    await env.OTHER.greet("you"),
    await (await env.OTHER_DEFAULT.fetch("http://x/deep?q=1", { method: "POST", body: "b" })).text(),
  ],
  standing: async (env) => env.THEIRS.getByName("x").add(),
  queue: async (env) => { await env.JOBS.send({ job: 1 }); await env.JOBS.send("two"); return "sent"; },
  workflow: async (env) => {
    const made = await env.ORDERS.create({ params: { amount: 5 } });
    for (let i = 0; i < 100; i++) {
      const { status, output } = await made.status();
      if (status === "complete") return [made.id.length, output];
      await new Promise((done) => setTimeout(done, 50));
    }
    return "never complete";
  },
  limit: async (env) => {
    const of = async (key) => (await env.LIMIT.limit({ key })).success;
    return [await of("a"), await of("a"), await of("a"), await of("b")];
  },
  events: async (env) => env.EVENTS.writeDataPoint({ blobs: ["b"], doubles: [1] }) ?? "written",
  mail: async (env) => {
    await env.MAIL.send(new EmailMessage("a@x.example", "b@x.example", "Subject: hi\r\n\r\nbody"));
    return failing(() => env.MAIL.send(new EmailMessage("a@x.example", "c@x.example", "x")));
  },
  secret: async (env) => env.STORED.get(),
  cache: async () => {
    const named = await caches.open("mine"), key = new Request("https://shop.example/a");
    for (const cache of [caches.default, named]) {
      const headers = { "Cache-Control": "max-age=60" };
      await cache.put(key, new Response("x".repeat(100_000), { headers }));
    }
    return [await caches.default.match(key) ?? "not there", await named.delete(key)];
  },
  hyperdrive: async (env) => [env.HYPER.database, env.HYPER.user, typeof env.HYPER.connectionString],
  loader: async (env) => {
    const code = "export default { fetch() { return new Response('loaded'); } }";
    const worker = env.LOADER.get("one", () => ({
      compatibilityDate: "2026-01-01", mainModule: "a.js", modules: { "a.js": code },
    }));
    return (await worker.getEntrypoint().fetch("http://x/")).text();
  },
  ai: async (env) => [
    (await env.AI.run("@cf/meta/llama-3.1-8b-instruct", { prompt: "x" })).response.slice(0, 27),
    (await env.AI.run("@cf/baai/bge-base-en-v1.5", { text: ["a", "b"] })).shape,
    (await new Response(await env.AI.run("@cf/leonardo/phoenix-1.0", { prompt: "x" })).bytes())[1],
    (await new Response(await env.AI.run("@cf/m", { prompt: "x", stream: true })).text()).trim().slice(-6),
  ],
  absent: async (env) => [
    await failing(() => env.VECTORS.query([1, 2, 3])),
    (await (await env.BROWSER.fetch("http://x/")).json()).errors[0].message,
  ],
};

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    if (name === "socket") return env.COUNTER.getByName("one").fetch(request);
    if (name === "") return new Response("CODE");
    return Response.json(await asked[name](env));
  },
};
