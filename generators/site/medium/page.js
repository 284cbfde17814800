"use strict";
// Copying: the story goes to the clipboard byte for byte, as HTML and as plain text.
// Checking: what comes back from the editor is compared with the facts that were copied.

const bundle = JSON.parse(document.getElementById("bundle").textContent);
const published = location.href.startsWith(bundle.site);
const say = (text, kind = "") => {
  const place = document.getElementById("copied");
  place.textContent = text;
  place.className = kind;
};

function toClipboard(types) {
  let done = false;
  const fill = (event) => {
    for (const [type, content] of Object.entries(types)) event.clipboardData.setData(type, content);
    event.preventDefault();
    done = true;
  };
  document.addEventListener("copy", fill, { once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", fill);
  if (done) return Promise.resolve();
  const parts = Object.entries(types).map(([type, text]) => [type, new Blob([text], { type })]);
  return navigator.clipboard.write([new ClipboardItem(Object.fromEntries(parts))]);
}

// Medium fetches the pictures from the published site: each must be there before anything is copied.
// HEAD asks whether, without fetching them. A page opened as a file cannot ask.
async function missingPictures() {
  if (location.protocol === "file:") return [];
  const absent = await Promise.all(
    bundle.pictures.map(({ file, address }) =>
      fetch(file, { method: "HEAD" }).then((answer) => (answer.ok ? "" : address), () => address),
    ),
  );
  return absent.filter(Boolean);
}

let missing = null;
missingPictures().then((found) => {
  missing = found;
  document.getElementById("copy").dataset.ready = "yes";
  if (found.length) say(`Not ready: ${found.join(", ")} cannot be loaded.`, "bad");
});

document.getElementById("copy").addEventListener("click", async () => {
  if (missing === null) return say("Still loading the pictures; try again in a moment.", "bad");
  if (missing.length) return say(`Not copied: ${missing.join(", ")} cannot be loaded.`, "bad");
  try {
    await toClipboard({ "text/html": bundle.clipboard.html, "text/plain": bundle.clipboard.text });
  } catch (error) {
    return say(`Not copied: ${error.message}`, "bad");
  }
  const here = "Copied, but this is not the published page: deploy first, or Medium finds no pictures.";
  say(published || !bundle.pictures.length ? "Copied. Now paste it into a new story." : here, published ? "good" : "bad");
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => toClipboard({ "text/plain": button.dataset.copy }).then(() => say("Copied.")));
}

// --- Paste back ---

const squeezed = (text) =>
  text.replace(/[\u2018\u2019]/g, "'").replace(/[\u201c\u201d]/g, '"').replace(/\u00a0/g, " ").replace(/\s+/g, " ").trim();
const codeText = (text) =>
  text.replace(/^\n+|\n+$/g, "").replace(/[ \t\u00a0]+$/gm, "");

function factsOf(html) {
  const body = new DOMParser().parseFromString(html, "text/html").body;
  for (const node of body.querySelectorAll("br")) node.replaceWith("\n");
  const texts = (names) => [...body.querySelectorAll(names)].map((node) => squeezed(node.textContent));
  const all = [...body.querySelectorAll("h1,h2,h3,h4,p,li,blockquote,pre,figcaption")]
    .filter((node) => !node.querySelector("p"))
    .map((node) => node.textContent)
    .join("\n");
  const numbers = {};
  for (const [found] of all.matchAll(/[0-9]+(?:[.,][0-9]+)*/g)) numbers[found] = (numbers[found] ?? 0) + 1;
  return {
    headings: texts("h1,h2,h3,h4"),
    code: [...body.querySelectorAll("pre")].map((node) => ({
      language: node.getAttribute("data-code-block-lang") ?? "",
      text: codeText(node.textContent),
    })),
    numbers,
    links: [...body.querySelectorAll("a[href]")].map((node) => node.getAttribute("href")).sort(),
    captions: texts("figcaption"),
    pictures: body.querySelectorAll("img").length,
    elsewhere: [...body.querySelectorAll("img")].map((node) => node.getAttribute("src") ?? "")
      .filter((source) => !/^https:\/\/([\w-]+\.)*medium\.com\//.test(source)),
  };
}

// An ordinary array difference, counting repeats.
function without(ours, theirs) {
  const rest = [...theirs];
  return ours.filter((item) => {
    const place = rest.indexOf(item);
    if (place >= 0) rest.splice(place, 1);
    return place < 0;
  });
}

function differences(wanted, found) {
  const lines = [];
  const compare = (what, ours, theirs) => {
    for (const item of without(ours, theirs)) lines.push(`${what} lost: ${item}`);
    for (const item of without(theirs, ours)) lines.push(`${what} new: ${item}`);
  };
  const repeated = (numbers) => Object.entries(numbers).flatMap(([text, count]) => Array(count).fill(text));
  compare("Heading", wanted.headings, found.headings);
  compare("Number", repeated(wanted.numbers), repeated(found.numbers));
  compare("Link", wanted.links, found.links);
  compare("Caption", wanted.captions, found.captions);
  compare("Code", wanted.code.map((code) => code.text), found.code.map((code) => code.text));
  wanted.code.forEach((code, place) => {
    const language = found.code[place]?.language ?? "";
    if (found.code[place]?.text === code.text && language !== code.language)
      lines.push(`Language of code ${place + 1}: ${language || "none"} instead of ${code.language || "none"}`);
  });
  if (found.pictures !== wanted.pictures) lines.push(`Pictures: ${found.pictures} instead of ${wanted.pictures}`);
  for (const source of found.elsewhere) lines.push(`Not taken over by Medium: ${source}`);
  return lines;
}

document.getElementById("back").addEventListener("paste", (event) => {
  event.preventDefault();
  const html = event.clipboardData.getData("text/html");
  const verdict = document.getElementById("verdict");
  if (!html) {
    verdict.innerHTML = '<p class="bad">The clipboard holds no formatted text. Copy the whole draft first.</p>';
    return;
  }
  const lines = differences(bundle.facts, factsOf(html));
  verdict.replaceChildren();
  const head = verdict.appendChild(document.createElement("p"));
  head.className = lines.length ? "bad" : "good";
  head.textContent = lines.length ? `${lines.length} differences:` : "Everything is there.";
  const list = lines.length ? verdict.appendChild(document.createElement("ul")) : null;
  for (const line of lines) list.appendChild(document.createElement("li")).textContent = line;
});
