// Rate limits: fixed windows, counted in memory, shared by all that have the same namespace.

import { WorkerEntrypoint } from "cloudflare:workers";

const counts = new Map();

export default class extends WorkerEntrypoint {
  async limit(options) {
    if (typeof options?.key !== "string") throw new TypeError("a rate limit needs a key, a string");
    const { namespace, limit, period } = this.ctx.props;
    const now = Math.floor(Date.now() / 1000 / period);
    const id = JSON.stringify([namespace, period, options.key]);
    const held = counts.get(id);
    const count = held?.window === now ? held.count + 1 : 1;
    if (counts.size > 100_000) counts.clear();
    counts.set(id, { window: now, count });
    return { success: count <= limit };
  }
}
