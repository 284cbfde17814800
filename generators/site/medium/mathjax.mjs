// Display formulas as SVG: a JSON list of LaTeX on standard input, a JSON list of SVG on standard
// output, in the same order. Strict: the first formula that MathJax does not take ends the run with
// exit code 1 and {"formula": ..., "error": ...} on standard output.
//
// Paths only (`fontCache: "local"`), so that resvg needs no font.

import "@mathjax/src/js/util/asyncLoad/esm.js"; // rare glyphs are in files that are read when met
import { readFileSync } from "node:fs";
import { MathJaxNewcmFont } from "@mathjax/mathjax-newcm-font/js/svg.js";
import { liteAdaptor } from "@mathjax/src/js/adaptors/liteAdaptor.js";
import { RegisterHTMLHandler } from "@mathjax/src/js/handlers/html.js";
import "@mathjax/src/js/input/tex/ams/AmsConfiguration.js";
import "@mathjax/src/js/input/tex/base/BaseConfiguration.js";
import "@mathjax/src/js/input/tex/boldsymbol/BoldsymbolConfiguration.js";
import "@mathjax/src/js/input/tex/newcommand/NewcommandConfiguration.js";
import { TeX } from "@mathjax/src/js/input/tex.js";
import { mathjax } from "@mathjax/src/js/mathjax.js";
import { SVG } from "@mathjax/src/js/output/svg.js";

const adaptor = liteAdaptor();
RegisterHTMLHandler(adaptor);

const input = new TeX({
  packages: ["base", "ams", "boldsymbol", "newcommand"],
  formatError: (_, error) => {
    throw error; // MathJax's own way would be a picture of the error message
  },
});
const output = new SVG({
  fontData: MathJaxNewcmFont,
  fontCache: "local",
  linebreaks: { inline: false },
  displayOverflow: "overflow",
});
const page = mathjax.document("", { InputJax: input, OutputJax: output });

const pictures = [];
let refused = null;
for (const formula of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const container = await page.convertPromise(formula, { display: true });
    pictures.push(adaptor.serializeXML(adaptor.tags(container, "svg")[0]));
  } catch (error) {
    refused = { formula, error: error.message };
    break;
  }
}
process.stdout.write(JSON.stringify(refused ?? pictures));
process.exitCode = refused ? 1 : 0;
