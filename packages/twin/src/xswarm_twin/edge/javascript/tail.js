// The Tail Worker beside the served ones, by which the edge learns what they logged.
export default {
  async tail(items, env) {
    const told = items.filter((item) => item.event?.request?.cf?.tailed).map((item) => ({
      ray: item.event.request.headers["cf-ray"],
      outcome: item.outcome,
      logs: item.logs.map(({ level, message, timestamp }) => ({ level, message, timestamp })),
      exceptions: item.exceptions.map(({ name, message, stack, timestamp }) =>
        ({ name, message, stack, timestamp })),
    }));
    if (told.length) {
      await env.EDGE.fetch("http://edge/", { method: "POST", body: JSON.stringify(told) });
    }
  },
};
