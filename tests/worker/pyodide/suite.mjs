// Runs pytest on Pyodide: the tests of code that runs in a Worker, on the Python of a Worker.
//
//   node --experimental-wasm-jspi suite.mjs REPOSITORY PACKAGES ARGUMENT…
//
// PACKAGES is a folder with pytest and what it needs. Ends with pytest's exit code.
import { loadPyodide } from "pyodide";

const [repository, packages, ...commandLine] = process.argv.slice(2);
const pyodide = await loadPyodide({ stdout: console.log, stderr: console.error });
for (const [name, folder] of Object.entries({ repository, packages })) {
  pyodide.FS.mkdirTree(`/${name}`);
  pyodide.mountNodeFS(`/${name}`, folder);
}
pyodide.globals.set("command_line", pyodide.toPy(commandLine));
process.exitCode = await pyodide.runPythonAsync(`
import os, sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/repository", "/packages"]
os.chdir("/repository")
import pytest
int(pytest.main(command_line))
`);
