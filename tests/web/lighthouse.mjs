// Lighthouse (mobile) over the addresses given: one line of JSON for each.
// CHROME_PATH names the browser.
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const flags = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--no-first-run",
];
const chrome = await launch({ chromeFlags: flags });
try {
  for (const address of process.argv.slice(2)) {
    const { lhr } = await lighthouse(address, { port: chrome.port, logLevel: "error" });
    const scores = Object.values(lhr.categories).map((category) => Math.round(category.score * 100));
    const failed = Object.values(lhr.categories)
      .filter((category) => category.id !== "performance")
      .flatMap((category) => category.auditRefs)
      .filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 1)
      .map(({ id }) => id);
    const timings = ["largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift"].map(
      (id) => lhr.audits[id].displayValue,
    );
    const bytes = lhr.audits["total-byte-weight"].numericValue;
    const speed = Math.round(lhr.environment.benchmarkIndex); // of this machine at this moment
    const error = lhr.runtimeError?.message ?? "";
    console.log(JSON.stringify({ address, scores, bytes, timings, failed, speed, error }));
  }
} finally {
  chrome.kill();
}
