// The entrance of a process for the edge alone: requests, calls and events to any of its services.
// Which one is meant stands in a header as JSON: { service, entrypoint, props, method, cron, time }.

import { WorkerEntrypoint } from "cloudflare:workers";

const TOKEN = "X-Twin-Token";
const RESOURCE = "X-Twin-Resource";

export default {
  async fetch(request, env) {
    if (request.headers.get(TOKEN) !== env.TOKEN) {
      return new Response("not allowed\n", { status: 403 });
    }
    const meant = JSON.parse(request.headers.get(RESOURCE));
    if (meant.cron !== undefined) {
      const event = { cron: meant.cron, scheduledTime: new Date(meant.time) };
      return Response.json(await env[meant.service].scheduled(event));
    }
    const target = env.PORT.current().getEntrypoint(meant.service, meant.entrypoint, meant.props);
    if (meant.method !== undefined) return called(target, meant.method, await request.json());
    const headers = new Headers(request.headers);
    headers.delete(TOKEN);
    headers.delete(RESOURCE);
    return target.fetch(new Request(request, { headers }));
  },
};

// Events that no connection between processes carries: another process has them delivered here.
export class Events extends WorkerEntrypoint {
  async deliver(service, queue, messages) {
    const result = await this.env[service].queue(queue, messages);
    const { outcome, ackAll, retryBatch, explicitAcks, retryMessages } = result;
    return { outcome, ackAll, retryBatch, explicitAcks, retryMessages };
  }
}

async function called(target, method, given) {
  try {
    const result = await target[method](...given);
    const told = method === "subscribe" ? await drained(result) : result;
    return Response.json({ result: told ?? null });
  } catch (error) {
    return Response.json({ error: error.message });
  }
}

// What a subscription has to tell until now.
async function drained(subscription) {
  const told = [];
  for (;;) {
    const one = await Promise.race([subscription.next(), scheduler.wait(100)]);
    if (one === undefined || one.done) return told;
    told.push(one.value);
  }
}
