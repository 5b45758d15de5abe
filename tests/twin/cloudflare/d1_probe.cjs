// Run statements on D1 as workerd has it, each batch a list of SQL; print what came of each.
const { Miniflare, convertV4MiniflareOptions } = require("miniflare");

const script = "export default { fetch() { return new Response() } }";
const batches = JSON.parse(require("fs").readFileSync(0, "utf-8"));

(async () => {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({ modules: true, script, d1Databases: { DB: "probe" } }),
  );
  const database = await miniflare.getD1Database("DB");
  const told = [];
  for (const batch of batches) {
    try {
      const found = await database.batch(batch.map((sql) => database.prepare(sql)));
      told.push(found.map((one) => one.results.map((row) => Object.values(row))));
    } catch (error) {
      told.push(error.message.replace("D1_ERROR: ", ""));
    }
  }
  await miniflare.dispose();
  console.log(JSON.stringify(told));
})();
