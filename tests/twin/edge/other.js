import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
export class Greeter extends WorkerEntrypoint { greet(name) { return `hi ${name}`; } }
export class Tally extends DurableObject { add() { return "tallied"; } }
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/got") return Response.json(await env.KV.get("got", "json"));
    return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`);
  },
  async queue(batch, env) {
    await env.KV.put("got", JSON.stringify([batch.queue, ...batch.messages.map((m) => m.body)]));
  },
};
