// emulate allows each of its providers 5,000 requests an hour, as GitHub does, and then answers 403 to all;
// neither Twilio nor Slack has such a limit, and it cannot be set. So it is lifted while emulate is read.

import { registerHooks } from "node:module";

const LIMITED = "remaining: 5e3";

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const source = url.includes("/emulate/dist/") ? String(loaded.source) : "";
    return source.includes(LIMITED)
      ? { ...loaded, source: source.replace(LIMITED, "remaining: Infinity") }
      : loaded;
  },
});
