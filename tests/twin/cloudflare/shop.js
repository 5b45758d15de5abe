import { DurableObject, WorkflowEntrypoint } from "cloudflare:workers";

export class Counter extends DurableObject {
  async add() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }
}

export class Order extends WorkflowEntrypoint {
  async run(event, step) {
    if (event.payload.wait) await step.sleep("a while", "1 hour");
    return step.do("charge", async () => `charged ${event.payload.amount}`);
  }
}

const asked = {
  add: async (env) => ({
    count: await env.COUNTER.getByName("one").add(),
    kept: await env.KV.get("a/ü"),
    orders: await env.DB.prepare("SELECT count(*) AS n FROM orders").first("n"),
    secret: await env.STORED.get(),
  }),
  send: async (env) => (await env.JOBS.send("job"), "sent"),
  got: async (env) => env.KV.get("got", "json"),
};

export default {
  async fetch(request, env) {
    return Response.json(await asked[new URL(request.url).pathname.slice(1)](env));
  },
  async queue(batch, env) {
    await env.KV.put("got", JSON.stringify([batch.queue, ...batch.messages.map((m) => m.body)]));
  },
  scheduled() {},
};
