// Serves a built Python Worker on Pyodide, behind the real Workers SDK, on a free loopback port.
//
//   node serve.mjs FOLDER < environment.json
//
// FOLDER holds the modules as they are uploaded. What the SDK gets from the runtime (bindings,
// compatibility flags) is made here; every request goes through the SDK's own adapter.
// Prints one line of JSON when it listens: the port, and how long the import took.
import http from "node:http";
import { text } from "node:stream/consumers";
import { loadPyodide } from "pyodide";

const folder = process.argv[2];
const variables = JSON.parse(await text(process.stdin));

class R2Object {
  constructor(key, bytes, { httpMetadata = {} } = {}) {
    Object.assign(this, { key, size: bytes.byteLength, httpMetadata });
    this.bytes = bytes;
  }

  async arrayBuffer() {
    return this.bytes.slice().buffer;
  }
}

class R2Bucket {
  objects = new Map();

  async put(key, value, options) {
    this.objects.set(key, new R2Object(key, Uint8Array.from(value), options));
  }

  async get(key) {
    return this.objects.get(key) ?? null;
  }

  async head(key) {
    return this.objects.get(key) ?? null;
  }

  async delete(key) {
    this.objects.delete(key);
  }
}

const environment = {
  ...variables,
  R2_BUCKET: new R2Bucket(),
  CF_VERSION_METADATA: { id: "version-under-pyodide", tag: "", timestamp: "" },
};
const context = { waitUntil: (promise) => void promise };

const pyodide = await loadPyodide({ stdout: console.error, stderr: console.error });
pyodide.registerJsModule("_pyodide_entrypoint_helper", {
  patchWaitUntil: () => {},
  cloudflareWorkersModule: { env: environment, waitUntil: context.waitUntil },
});
pyodide.registerJsModule("_cloudflare_compat_flags", {
  python_request_headers_preserve_commas: true,
  python_workflows_implicit_dependencies: true,
});
pyodide.FS.mkdirTree("/session");
pyodide.mountNodeFS("/session", folder);
pyodide.runPython(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/session", "/session/python_modules"]
`);
pyodide.runPython("import workers.asgi");
const begin = process.cpuUsage();
pyodide.runPython("import main");
const { user, system } = process.cpuUsage(begin);
const milliseconds = (user + system) / 1000;
const fetchWorker = pyodide.runPython(`
from workers import Request

async def fetch(request, environment, context):
    return await main.Default(context, environment).fetch(Request(request))

fetch
`);

const fire = pyodide.runPython(`
async def fire(controller, environment, context):
    await main.Default(context, environment).scheduled(controller, environment, context)

fire
`);

async function scheduled(url, outgoing) {
  const { cron, time } = Object.fromEntries(url.searchParams);
  await fire({ cron, scheduledTime: Number(time) }, environment, context);
  outgoing.writeHead(200).end("ok");
}

async function answer(incoming, outgoing) {
  const url = new URL(incoming.url, "http://localhost");
  if (url.pathname === "/cdn-cgi/local/scheduled") return scheduled(url, outgoing);
  const chunks = await Array.fromAsync(incoming);
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const { method, headers } = incoming;
  const request = new Request(`http://${headers.host}${incoming.url}`, { method, headers, body });
  const response = await fetchWorker(request, environment, context);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}

const server = http.createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch((error) => {
    console.error(error);
    outgoing.writeHead(500).end(String(error));
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port, milliseconds }));
});
