// What a binding answers that is known when the version is started, and what the twin does not have.

import { WorkerEntrypoint } from "cloudflare:workers";

// A secret of the Secrets Store.
export class StoredSecret extends WorkerEntrypoint {
  async get() {
    return this.ctx.props.text;
  }
}

// E-mail that a Worker sends: kept, and sent to nobody.
export class Mail extends WorkerEntrypoint {
  async send(message) {
    const { from, to } = message;
    const allowed = this.ctx.props.allowed;
    if (allowed.length && !allowed.includes(to)) {
      throw new Error(`email to ${to} not allowed`);
    }
    const raw = message["EmailMessage::raw"];
    const told = raw === undefined ? message : { from, to, raw: await new Response(raw).text() };
    await this.env.MAIL.fetch("http://edge/", { method: "POST", body: JSON.stringify(told) });
    return { messageId: crypto.randomUUID() };
  }
}

// A service that nothing on this machine can stand for.
export class Absent extends WorkerEntrypoint {
  constructor(ctx, env) {
    super(ctx, env);
    return new Proxy(this, {
      get(self, name) {
        if (Reflect.has(self, name)) return Reflect.get(self, name);
        if (typeof name !== "string" || name === "then") return undefined;
        return async () => {
          throw new Error(said(ctx.props));
        };
      },
    });
  }

  async fetch() {
    const message = said(this.ctx.props);
    const told = { error: message, code: 501, errors: [{ code: 501, message }] };
    return Response.json(told, { status: 501 });
  }
}

// Workers AI: no model runs here. Every answer has the form that the model's would have, and says so.
export class Intelligence extends WorkerEntrypoint {
  async fetch(request) {
    const model = request.headers.get("cf-consn-model-id") ?? "";
    if (!new URL(request.url).pathname.startsWith("/run")) {
      return Response.json({ error: said({ what: "AI Gateway" }) }, { status: 501 });
    }
    const { inputs = {} } = await request.json();
    if (IMAGES.test(model)) return new Response(PIXEL, { headers: { "Content-Type": "image/png" } });
    if (inputs.text !== undefined && EMBEDDINGS.test(model)) {
      const texts = [inputs.text].flat();
      return Response.json({ shape: [texts.length, 768], data: texts.map(() => Array(768).fill(0)) });
    }
    const response = said({ what: "Workers AI" });
    if (!inputs.stream) return Response.json({ response });
    const events = `data: ${JSON.stringify({ response })}\n\ndata: [DONE]\n\n`;
    return new Response(events, { headers: { "Content-Type": "text/event-stream" } });
  }
}

const IMAGES = /stable-diffusion|flux|dreamshaper|lucid-origin|phoenix/;
const EMBEDDINGS = /bge-|embedding|gemma-300m|plamo/;
const PIXEL = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="),
  (letter) => letter.charCodeAt(0),
);

function said({ what }) {
  return `the local twin has no ${what}: deploy to Cloudflare to use it`;
}
