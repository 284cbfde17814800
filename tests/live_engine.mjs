// Runs lines of JavaScript against a text of engine.js: a job as JSON on stdin, the answer as JSON on stdout.
// Float32Arrays go back as {f32: base64}.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const { engine, files, lines, given } = JSON.parse(readFileSync(0, "utf8"));
vm.runInThisContext(engine);
const buffer = (name) => Uint8Array.from(Buffer.from(files[name], "base64")).buffer;
const load = (name) => Live.model(buffer(name));
const refusal = (act) => {
  try {
    act();
  } catch (error) {
    return error.constructor === Error ? error.message : `not meant: ${error.stack}`;
  }
  return "no error";
};
const answer = new Function("load", "buffer", "refusal", "given", lines)(load, buffer, refusal, given);
const packed = (_, value) =>
  value instanceof Float32Array ? { f32: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") } : value;
process.stdout.write(JSON.stringify(answer, packed));
