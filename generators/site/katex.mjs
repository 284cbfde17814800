// Reads one formula a line as JSON, writes its HTML, or KaTeX's complaint, as JSON: one process serves a whole build.
import { createInterface } from "node:readline";
import katex from "katex";

const OPTIONS = { output: "htmlAndMathml", throwOnError: true, strict: "error", trust: false };

for await (const line of createInterface({ input: process.stdin })) {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { ...OPTIONS, displayMode: display }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
