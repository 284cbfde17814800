"use strict";
// What comes back from Medium's editor is compared, fact by fact, with what was copied.

const bundle = JSON.parse(document.getElementById("bundle").textContent);

// Up to what an editor may change: curly quotes, no-break spaces, runs of spaces.
const squeezed = (text) =>
  text.replace(/[\u2018\u2019]/g, "'").replace(/[\u201c\u201d]/g, '"').replace(/\u00a0/g, " ").replace(/\s+/g, " ").trim();
const codeText = (text) =>
  text.replace(/^\n+|\n+$/g, "").replace(/[ \t\u00a0]+$/gm, "");
const solid = (text) => text.replace(/\s/g, "");

function counted(found) {
  const counts = {};
  for (const text of found) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

// The same facts as facts() of emit.py, and which pictures still lie elsewhere.
function factsOf(html) {
  const body = new DOMParser().parseFromString(html, "text/html").body;
  for (const node of body.querySelectorAll("br")) node.replaceWith("\n");
  const nodes = (names) => [...body.querySelectorAll(names)];
  const texts = (names) => nodes(names).map((node) => squeezed(node.textContent));
  const all = nodes("h1,h2,h3,h4,p,li,blockquote,pre,figcaption")
    .filter((node) => !node.querySelector("p"))
    .map((node) => node.textContent)
    .join("\n");
  // Medium marks headings and captions as it likes: only marks in running text count.
  const within = (names) =>
    nodes(names.split(",").flatMap((name) => ["p", "li", "blockquote"].map((block) => `${block} ${name}`)).join(","))
      .filter((node) => !node.parentElement.closest(names));
  const marked = (names) => within(names).map((node) => solid(squeezed(node.textContent))).join("");
  return {
    title: texts("h1,h2,h3")[0] ?? "",
    headings: nodes("h1,h2,h3,h4,h5,h6").map((node) =>
      [/[123]/.test(node.tagName) ? "large" : "small", squeezed(node.textContent)]),
    words: counted(all.match(/[\p{L}\p{Nl}\p{No}]+/gu) ?? []),
    numbers: counted(all.match(/[0-9]+(?:[.,][0-9]+)*/g) ?? []),
    links: nodes("a[href]").map((node) => [squeezed(node.textContent), node.getAttribute("href")]),
    code: nodes("pre").map((node) => ({
      language: node.getAttribute("data-code-block-lang") ?? "",
      text: codeText(node.textContent),
    })),
    inlineCode: within("code").map((node) => squeezed(node.textContent)),
    italic: marked("em,i"),
    bold: marked("strong,b"),
    items: texts("li"),
    quotes: texts("blockquote"),
    captions: texts("figcaption"),
    alternatives: nodes("img").map((node) => squeezed(node.getAttribute("alt") ?? "")),
    pictures: nodes("img").length,
    elsewhere: nodes("img").map((node) => node.getAttribute("src") ?? "")
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

const repeated = (counts) => Object.entries(counts).flatMap(([text, count]) => Array(count).fill(text));
const short = (text) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

// Code that is not as it was: its lines joined, the block split, or something in it changed.
function codeFaults(wanted, found) {
  const lines = [];
  const lost = without(wanted.map((code) => code.text), found.map((code) => code.text));
  const strange = without(found.map((code) => code.text), wanted.map((code) => code.text));
  const place = (text) => wanted.findIndex((code) => code.text === text) + 1;
  for (const text of lost) {
    const joined = strange.find((other) => solid(other) === solid(text));
    const parts = strange.filter((other) => other && solid(text).includes(solid(other)));
    const first = strange.findIndex((other) => solid(other) === solid(text));
    if (joined !== undefined) lines.push(`Code ${place(text)}: its lines were joined or its spaces changed`);
    else if (parts.length > 1 && solid(parts.join("")) === solid(text)) lines.push(`Code ${place(text)} was split into ${parts.length} blocks`);
    else {
      lines.push(`Code ${place(text)} lost or changed: ${short(text)}`);
      continue;
    }
    for (const part of joined !== undefined ? [strange[first]] : parts) strange.splice(strange.indexOf(part), 1);
  }
  for (const text of strange) lines.push(`Code new: ${short(text)}`);
  const rest = [...found];
  wanted.forEach((code, number) => {
    const at = rest.findIndex((other) => other.text === code.text);
    if (at < 0) return;
    const [{ language }] = rest.splice(at, 1);
    if (language !== code.language)
      lines.push(`Language of code ${number + 1}: ${language || "none"} instead of ${code.language || "none"}`);
  });
  return lines;
}

function differences(wanted, found) {
  const lines = [];
  const compare = (what, ours, theirs) => {
    const lost = without(ours, theirs), fresh = without(theirs, ours);
    for (const item of lost) lines.push(`${what} lost: ${short(item)}`);
    for (const item of fresh) lines.push(`${what} new: ${short(item)}`);
    return lost.length + fresh.length;
  };
  const ordered = (what, ours, theirs) => {
    if (!compare(what, ours, theirs) && ours.some((item, place) => item !== theirs[place]))
      lines.push(`${what}s in another order: ${ours.map(short).join(" | ")}`);
  };
  if (found.title !== wanted.title) lines.push(`Title: "${found.title}" instead of "${wanted.title}"`);
  const texts = (headings) => headings.map(([, text]) => text);
  ordered("Heading", texts(wanted.headings), texts(found.headings));
  for (const [level, text] of wanted.headings) {
    const other = found.headings.find(([, same]) => same === text);
    if (other && other[0] !== level) lines.push(`Size of the heading "${text}": ${other[0]} instead of ${level}`);
  }
  compare("Number", repeated(wanted.numbers), repeated(found.numbers));
  compare("Word", repeated(wanted.words), repeated(found.words));
  const link = ([text, address]) => `"${text}" (${address})`;
  compare("Link", wanted.links.map(link), found.links.map(link));
  lines.push(...codeFaults(wanted.code, found.code));
  compare("Inline code", wanted.inlineCode, found.inlineCode);
  compare("List item", wanted.items, found.items);
  compare("Quote", wanted.quotes, found.quotes);
  for (const [what, name] of [["Italics", "italic"], ["Bold", "bold"]])
    if (wanted[name] !== found[name]) lines.push(`${what}: ${found[name].length} letters instead of ${wanted[name].length}`);
  if (found.pictures !== wanted.pictures) lines.push(`Pictures: ${found.pictures} instead of ${wanted.pictures}`);
  ordered("Alternative text", wanted.alternatives, found.alternatives);
  ordered("Caption", wanted.captions, found.captions);
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
  const plainer = document.getElementById("plainer").checked;
  const wanted = plainer ? factsOf(bundle.clipboard.plainer) : bundle.facts;
  const lines = differences(wanted, factsOf(html));
  verdict.replaceChildren();
  const head = verdict.appendChild(document.createElement("p"));
  head.className = lines.length ? "bad" : "good";
  head.textContent = lines.length ? `${lines.length} difference${lines.length > 1 ? "s" : ""}:` : "Everything is there.";
  const list = lines.length ? verdict.appendChild(document.createElement("ul")) : null;
  for (const line of lines) list.appendChild(document.createElement("li")).textContent = line;
});
