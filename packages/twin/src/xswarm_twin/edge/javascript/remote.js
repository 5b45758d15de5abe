// What a Worker is bound to, and another process has: reached through that process's debug port.
// The props say which: { address, service, entrypoint, props }, or { worker, at, entrypoint, props }
// for whichever version of a Worker answers now (or the service `at` beside it), which the edge knows.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

const HANDLERS = new Set(["alarm", "connect", "tailStream", "test", "trace", "then"]);

export default class extends WorkerEntrypoint {
  constructor(ctx, env) {
    super(ctx, env);
    return forwarding(this, () => found(env, ctx.props));
  }

  async fetch(request) {
    return (await found(this.env, this.ctx.props)).fetch(request);
  }

  async queue(batch) {
    const { address, service } = await asked(this.env, this.ctx.props.worker);
    const messages = batch.messages.map(({ id, timestamp, attempts, body }) => ({
      id, timestamp, attempts, body,
    }));
    const events = this.env.PORT.connect(address).getEntrypoint("control", "Events");
    settle(batch, await events.deliver(service, batch.queue, messages));
  }

  async tail(events) {
    await (await found(this.env, this.ctx.props)).tail(events);
  }
}

// The class that stands for the Durable Objects of another Worker; the ids are the same.
export function standing(worker, className) {
  return class extends DurableObject {
    constructor(ctx, env) {
      super(ctx, env);
      return forwarding(this, () => objectOf(env, worker, className, ctx.id.toString()));
    }

    async fetch(request) {
      const id = this.ctx.id.toString();
      return (await objectOf(this.env, worker, className, id)).fetch(request);
    }
  };
}

function forwarding(self, target) {
  return new Proxy(self, {
    get(_, name) {
if (Reflect.has(self, name)) return Reflect.get(self, name);
      if (typeof name !== "string" || HANDLERS.has(name)) return undefined;
      return async (...given) => (await target())[name](...given);
    },
  });
}

async function found(env, { address, service, worker, at, entrypoint, props }) {
  const there = worker === undefined ? { address, service } : await asked(env, worker);
  return env.PORT.connect(there.address).getEntrypoint(at ?? there.service, entrypoint, props);
}

async function objectOf(env, worker, className, id) {
  const { address, home } = await asked(env, worker);
  return env.PORT.connect(address).getActor(home, className, id);
}

async function asked(env, worker) {
  const answer = await env.EDGE.fetch(`http://edge/${encodeURIComponent(worker)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function settle(batch, result) {
  if (result.outcome !== "ok") throw new Error(`the consumer's outcome: ${result.outcome}`);
  const acked = new Set(result.explicitAcks);
  const retried = new Map(result.retryMessages.map((one) => [one.msgId, one]));
  if (result.ackAll) batch.ackAll();
  if (result.retryBatch.retry) batch.retryAll(delay(result.retryBatch));
  for (const message of batch.messages) {
    if (acked.has(message.id)) message.ack();
    if (retried.has(message.id)) message.retry(delay(retried.get(message.id)));
  }
}

function delay({ delaySeconds }) {
  return delaySeconds === undefined ? {} : { delaySeconds };
}
