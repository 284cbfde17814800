// <number-translator>: a number in words, translated by a small Transformer in the page, and where it looks meanwhile.
// First the words, as pure functions (tests call them through NumberWords); then the element.
(() => {
  const LETTERS = /^\p{L}+$/u;

  // The pieces of a number from 0 to 9,999: {text, says, before}. `says` names its decimal places, `before` is what joins
  // it to the piece before. The file's tables say how a group is written, by its digit and by what follows it.
  function write(n, { below_100, hundreds, thousands }) {
    const [thousand, hundred, rest] = [Math.floor(n / 1000), Math.floor(n / 100) % 10, n % 100];
    return gathered([
      ...(thousand ? thousands[thousand - 1][hundred ? 2 : +(rest > 0)] : []),
      ...(hundred ? hundreds[hundred - 1][+(rest > 0)] : []),
      ...(rest || !n ? below_100[rest] : []),
    ]);
  }

  // Blanks, commas and hyphens are pieces in the tables, and here part of the piece that follows.
  function gathered(table) {
    const pieces = [];
    let before = "";
    for (const [text, says] of table) {
      if (LETTERS.test(text)) pieces.push({ text, says, before });
      before = LETTERS.test(text) ? "" : before + text;
    }
    return pieces;
  }

  const textOf = (pieces) => pieces.map((piece) => piece.before + piece.text).join("");

  // What somebody wrote, cut into the language's pieces; letters that are none of them stay together.
  function cut(text, { below_100, hundreds, thousands }) {
    const known = [...below_100.flat(), ...hundreds.flat(2), ...thousands.flat(2)].map(([part]) => part);
    const lexicon = [...new Set(known)].filter((part) => LETTERS.test(part)).sort((a, b) => b.length - a.length);
    const found = [];
    let end = 0;
    for (const { 0: part, index } of text.matchAll(new RegExp(`${lexicon.join("|")}|\\p{L}`, "gu"))) {
      const before = text.slice(end, index), last = found.at(-1);
      const stray = !lexicon.includes(part);
      if (stray && last?.stray && !before) last.text += part;
      else found.push({ text: part, says: [], before, stray });
      end = index + part.length;
    }
    return found;
  }

  // Written pieces beside the right ones: what both have in the same order (longest common subsequence) is right; `missing`
  // is what should stand before a piece, and at the end.
  function compared(written, right) {
    const most = Array.from({ length: written.length + 1 }, () => new Array(right.length + 1).fill(0));
    for (let i = written.length - 1; i >= 0; i--)
      for (let j = right.length - 1; j >= 0; j--)
        most[i][j] = written[i].text === right[j].text ? most[i + 1][j + 1] + 1 : Math.max(most[i + 1][j], most[i][j + 1]);
    const pieces = [];
    let i = 0, j = 0, missing = [];
    while (i < written.length || j < right.length) {
      const same = i < written.length && written[i].text === right[j]?.text;
      if (same || j === right.length || (i < written.length && most[i + 1][j] >= most[i][j + 1])) {
        pieces.push({ ...written[i++], ...(same ? { says: right[j++].says } : { wrong: true }), missing });
        missing = [];
      } else missing.push(right[j++].text);
    }
    return { pieces, missing };
  }

  // For each written piece the pieces of the source that say the same places.
  const alignment = (source, target) => target.map(({ says }) => source.flatMap((piece, s) => (piece.says.some((place) => says.includes(place)) ? [s] : [])));

  // Pieces that share a token cannot be told apart by where the model looks: they become one. Returns the pieces, and for
  // each token the piece that it belongs to; -1 for the end, and for what is no letter.
  function joined(pieces, tokens) {
    const letters = pieces.flatMap(({ before, text }, p) => [...Array(before.length).fill(-1), ...Array(text.length).fill(p)]);
    let at = 0;
    const owners = tokens.map((token) => letters.slice(at, (at += token.length)).filter((p) => p >= 0));
    const tied = new Set(owners.flatMap((own) => own.filter((p) => p > own[0])));
    const whole = [], place = [];
    pieces.forEach((piece, p) => {
      const { text, says, wrong, before, missing } = piece, last = whole.at(-1);
      if (tied.has(p)) {
        const together = { text: last.text + before + text, says: [...last.says, ...says], wrong: last.wrong || wrong };
        whole[whole.length - 1] = { ...last, ...together, missing: last.missing?.concat(missing) };
      }
      if (!tied.has(p)) whole.push(piece);
      place.push(whole.length - 1);
    });
    return { pieces: whole, owners: owners.map(([p]) => place[p] ?? -1) };
  }

  // Weights of tokens (T x S) as weights of pieces: summed over a piece's source tokens, mean over its target tokens.
  // The last column is what went to no piece: to the end of the sentence, mostly.
  function byPieces(weights, target, source, rows, columns) {
    const out = Array.from({ length: rows }, () => Array(columns + 1).fill(0));
    target.forEach((row, t) => {
      const share = 1 / target.filter((other) => other === row).length;
      if (row >= 0) source.forEach((column, s) => (out[row][column < 0 ? columns : column] += share * weights[t * source.length + s]));
    });
    return out;
  }

  // The first written piece that reaches over a part which comes later: [piece, the part that it skips], else null.
  function reaches(aligned) {
    for (let t = 0; t < aligned.length; t++)
      for (let later = t + 1; later < aligned.length; later++)
        if (aligned[t].length && aligned[later].length && aligned[t][0] > aligned[later][0]) return [t, aligned[later][0]];
    return null;
  }

  globalThis.NumberWords = { write, textOf, cut, compared, alignment, joined, byPieces, reaches };
  if (!globalThis.customElements || customElements.get("number-translator")) return;

  // The element -----------------------------------------------------------------------------------------------------

  const FAINT = 0.05; // weaker lines are left out
  const TALL = 560; // narrower than this, the words stand in two columns
  const UNITS_FIRST = ["de", "da"]; // einundzwanzig, enogtyve
  const percent = (weight) => `${Math.round(100 * weight)}\u202f%`;
  const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  const each = (list, html) => list.map(html).join("");
  const word = (text) => `<span class="word">${escape(text)}</span>`;
  const sample = (kind, text) => `<span><svg width="30" height="10" aria-hidden="true"><path class="${kind}" d="M0 5H30"/></svg>${text}</span>`;
  const view = (heads, layers, languages) => `
<form class="ask">
  <label>Type a number <input type="number" min="0" max="9999" inputmode="numeric" autocomplete="off"></label>
  <button type="button" class="another">Another number</button>
  ${each(["From", "To"], (way) => `<label>${way} <select class="${way.toLowerCase()}">${each(Object.entries(languages), ([code, name]) => `<option value="${code}">${name}</option>`)}</select></label>`)}
  <button type="button" class="swap">Swap</button>
</form>
<div class="picture">
  <svg aria-hidden="true"></svg>
  <ol class="source" aria-label="The number, cut into its parts"></ol>
  <div class="target" role="toolbar" aria-label="What the model writes: choose a word to see where it looks"></div>
</div>
<p class="key">${sample("look", "where it looks, as wide as the weight")} ${sample("truth", "the part that means the same")}</p>
<p class="says"></p>
<p class="verdict"></p>
<div class="heads">
  <p id="translator-heads">${heads.length} heads look at the source. Switch some off and see which words break. Under each: how many break without it alone. Often none: others stand in.</p>
  <label>lines of <select class="lines">${each(layers, (layer) => `<option value="${layer}">layer ${layer}, mean of its heads</option>`)}${each(heads, (head) => `<option value="${head}">head ${head}</option>`)}</select></label>
  <div class="switches" role="group" aria-labelledby="translator-heads">${each(heads, (head) => `
    <button type="button" role="switch" data-head="${head}"><span class="name"><span class="unseen">Layer and head </span>${head}</span>
    <svg viewBox="0 0 60 40" preserveAspectRatio="none" aria-hidden="true"></svg> <span class="costs"></span></button>`)}</div>
</div>
<details><summary>The weights as a table</summary>
  <label><input type="checkbox"> by tokens, as the model sees them</label>
  <div class="table" tabindex="0" role="region" aria-label="Table of weights"></div>
</details>
<p class="unseen" role="status"></p>`;

  class NumberTranslator extends HTMLElement {
    // Called by the loader, when the weights are there. Heads are named by layer and place, from 1: "2.4".
    start(model) {
      const { n_layers, n_heads } = model.config;
      const layers = Array.from({ length: n_layers }, (_, layer) => n_layers - layer);
      const heads = layers.flatMap((layer) => Array.from({ length: n_heads }, (_, head) => `${layer}.${head + 1}`)).sort();
      Object.assign(this, { model, heads, spare: model.fork(), page: model.page, heldOut: new Set(model.page.held_out) });
      this.body?.remove();
      this.body = this.appendChild(document.createElement("div"));
      this.body.className = "live-body translator";
      this.body.innerHTML = view(heads, layers, this.page.languages);
      const names = ["input", "picture", "source", "target", "says", "verdict", "lines", "switches", "details", "table", "from", "to"];
      for (const name of names) this[name] = this.body.querySelector(`.${name},${name}`);
      this.listen();
      this.recall();
      this.translate();
    }

    disconnectedCallback() {
      this.stop?.abort();
      this.watch?.disconnect();
      clearTimeout(this.pause);
    }

    listen() {
      this.disconnectedCallback(); // not twice
      this.stop = new AbortController();
      const { signal } = this.stop;
      const on = (target, events, act) => events.split(" ").forEach((event) => target.addEventListener(event, (e) => act(e, e.target.closest?.("button")), { signal }));
      const turned = (one, other) => () => this.set({ [one]: this[one].value, ...(this[one].value === this.state[other] && { [other]: this.state[one] }) });
      on(this.body.querySelector("form"), "submit", (event) => event.preventDefault());
      on(this.input, "input", () => this.input.value && this.input.validity.valid && this.set({ n: +this.input.value }));
      on(this.input, "change", () => (this.input.value = this.state.n));
      on(this.from, "change", turned("from", "to"));
      on(this.to, "change", turned("to", "from"));
      on(this.body.querySelector(".swap"), "click", () => this.set({ from: this.state.to, to: this.state.from }));
      on(this.body.querySelector(".another"), "click", () => this.set({ n: Math.floor(this.page.limit ** (0.25 + 0.75 * Math.random())) }));
      on(this.target, "pointerover focusin click", (_, button) => button && this.choose(this.buttons().indexOf(button)));
      on(this.target, "keydown", (event) => this.step(event));
      on(this.switches, "click", (_, button) => button && this.turn(button.dataset.head));
      on(this.switches, "pointerover focusin", (_, button) => this.preview(button?.dataset.head));
      on(this.switches, "pointerleave focusout", () => this.preview());
      on(this.lines, "change", () => this.look());
      on(this.details, "toggle", () => this.tabulate());
      on(this.details.querySelector("input"), "change", () => this.tabulate());
      on(window, "hashchange", () => this.recall() && this.translate());
      this.watch = new ResizeObserver(() => this.arrange());
      this.watch.observe(this.picture);
      document.fonts.ready.then(() => this.arrange());
    }

    // The state from the address, and into it: #translator?n=4721&from=de&to=en&off=1.2
    recall() {
      const said = location.hash.startsWith("#translator?");
      if (this.state && !said) return false;
      const asked = new URLSearchParams(said ? location.hash.slice(12) : "");
      const { languages, examples: [example], limit } = this.page;
      const [from = example.source, to = example.target] = ["from", "to"].map((way) => Object.keys(languages).find((code) => code === asked.get(way)));
      const n = /^\d{1,5}$/.test(asked.get("n")) && asked.get("n") < limit ? +asked.get("n") : example.number;
      const off = (asked.get("off") ?? "").split(",").filter((head) => this.heads.includes(head));
      this.state = { n, from, to: to === from ? Object.keys(languages).find((code) => code !== from) : to, off: new Set(off) };
      return true;
    }

    set(change) {
      this.state = { ...this.state, ...change };
      const { n, from, to, off } = this.state;
      history.replaceState(history.state, "", `#translator?n=${n}&from=${from}&to=${to}${off.size ? `&off=${[...off].sort()}` : ""}`);
      this.translate(!change.off);
    }

    turn(head) {
      const off = new Set(this.state.off);
      if (!off.delete(head)) off.add(head);
      this.set({ off });
    }

    // What a model writes with some heads off, as pieces beside the right ones.
    written(model, off) {
      const { to } = this.state;
      for (const head of this.heads) model.setGate("cross", head[0] - 1, head.slice(2) - 1, +!off.has(head));
      const run = model.translate(this.read, this.page.start[to], this.page.end, this.page.longest);
      const tokens = run.tokens.filter((id) => id !== this.page.end);
      const text = model.decode(tokens), right = text === textOf(this.wanted);
      const { pieces, missing } = compared(right ? this.wanted : cut(text, this.page.words[to]), this.wanted);
      const lost = [...pieces.flatMap((piece) => piece.missing), ...missing];
      const broken = right ? 0 : Math.max(1, lost.length, pieces.filter((piece) => piece.wrong).length);
      return { run, tokens, text, right, broken, missing, ...joined(pieces, model.pieces(tokens)) };
    }

    // For another number, direction, or set of heads: translate and draw; after a pause what takes longer.
    translate(anew = true) {
      const { n, from, to, off } = this.state;
      const { words, end } = this.page;
      const parts = write(n, words[from]), read = this.model.encode(textOf(parts));
      this.said = joined(parts, this.model.pieces(read));
      this.wanted = write(n, words[to]);
      this.read = [...read, end];
      this.now = this.written(this.model, off);
      this.truth = alignment(this.said.pieces, this.now.pieces);
      this.crossing = reaches(this.truth);
      if (anew || this.chosen >= this.now.pieces.length) this.chosen = this.crossing?.[0] ?? 0;

      if (document.activeElement !== this.input) this.input.value = n;
      [this.from.value, this.to.value, this.source.lang, this.target.lang] = [from, to, from, to];
      this.source.innerHTML = each(this.said.pieces, ({ text }) => `<li><span class="share"></span>${word(text)}</li>`) + `<li class="end"><span class="share"></span>${word("end")}</li>`;
      const gap = (missing) => each(missing, (text) => `<ins>${text}</ins>`);
      this.target.innerHTML = each(this.now.pieces, ({ text, wrong, missing }) => `${gap(missing)}<button type="button"${wrong ? ' class="wrong"' : ""}>${word(text)}</button>`) + gap(this.now.missing);
      this.verdict.innerHTML = this.judgement();
      for (const button of this.switches.children) {
        button.ariaChecked = !off.has(button.dataset.head);
        if (anew) button.lastChild.textContent = "";
      }
      this.arrange();
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.afterwards(anew), 250);
    }

    afterwards(anew) {
      for (const button of this.switches.children) button.querySelector("svg").innerHTML = this.map(this.weights(button.dataset.head).pieces);
      this.body.lastChild.textContent = `${this.state.n}: ${this.now.text}. ${this.verdict.innerText} ${this.says.innerText}`;
      // Each head off by itself: one at a time, so that a key typed meanwhile is not kept waiting.
      const next = ([button, ...others]) => {
        if (!button) return;
        const { broken } = this.written(this.spare, new Set([button.dataset.head]));
        button.lastChild.textContent = `${broken || "no"} word${broken === 1 ? "" : "s"}`;
        button.classList.toggle("breaks", broken > 0);
        this.pause = setTimeout(next, 0, others);
      };
      if (anew) next([...this.switches.children]);
    }

    judgement() {
      const { n, off } = this.state, { text, right } = this.now;
      const kind = right ? "holds" : "fails";
      const without = off.size ? ` without ${[...off].sort().join(", ")}` : "";
      const said = `“${escape(text)}”${right ? "" : `; it should be “${textOf(this.wanted)}”`}`;
      const seen = this.heldOut.has(n) ? `It never saw ${n}; of such numbers it gets ${(100 * this.page.accuracy).toFixed(1)}\u202f% right.` : `It learned from ${n}, among others.`;
      return `<span class="v ${kind}"><span class="disc ${kind}"></span>${right ? "right" : "wrong"}${without}</span> ${said}. ${seen}`;
    }

    // Weights of one head, or the mean of a layer's heads that are on: by tokens, and by pieces.
    weights(which) {
      const one = this.heads.filter((head) => head === which || head.startsWith(`${which}.`));
      const awake = one.filter((head) => !this.state.off.has(head));
      const heads = awake.length ? awake : one;
      const tokens = new Float64Array(this.now.tokens.length * this.read.length);
      for (const head of heads) {
        const weights = this.now.run.cross(head[0] - 1, head.slice(2) - 1);
        tokens.forEach((_, i) => (tokens[i] += weights[i] / heads.length));
      }
      return { tokens, pieces: byPieces(tokens, this.now.owners, [...this.said.owners, -1], this.now.pieces.length, this.said.pieces.length) };
    }

    // Words as large as the row allows; then the lines, which need to know where the words stand.
    arrange() {
      const width = this.picture.clientWidth, tall = width < TALL;
      this.picture.classList.toggle("tall", tall);
      const rows = [this.source, this.target];
      const needed = (row) => (tall ? this.source.scrollWidth + this.target.scrollWidth + 56 : row.scrollWidth);
      for (const row of rows) row.style.fontSize = "";
      for (const row of rows) {
        for (let size = parseFloat(getComputedStyle(row).fontSize); needed(row) > width && size > 11; ) {
          size *= Math.min(0.97, width / needed(row));
          row.style.fontSize = `${size}px`;
        }
      }
      const box = this.picture.getBoundingClientRect();
      this.places = rows.map((row, below) => Array.from(row.querySelectorAll(".word"), (word) => {
        const { left, right, top, bottom } = word.getBoundingClientRect();
        if (tall) return [(below ? left - 10 : right + 8) - box.left, (top + bottom) / 2 - box.top];
        return [(left + right) / 2 - box.left, (below ? top + 2 : bottom - 2) - box.top];
      }));
      this.look();
    }

    // A line from a part of the source to a written piece; `shift` puts it beside another.
    line(s, t, kind, width, shift = 0) {
      const tall = this.picture.classList.contains("tall");
      const [[x0, y0], [x1, y1]] = [this.places[0][s], this.places[1][t]].map(([x, y]) => (tall ? [x, y + shift] : [x + shift, y]));
      const bend = tall ? `${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1}` : `${x0} ${(y0 + y1) / 2} ${x1} ${(y0 + y1) / 2}`;
      return `<path class="${kind}" d="M${x0} ${y0}C${bend} ${x1} ${y1}" style="stroke-width:${width}"/>`;
    }

    // The lines, and what is said, for the chosen piece.
    look() {
      const which = this.previewed ?? this.lines.value, { chosen } = this;
      const rows = this.weights(which).pieces, truth = this.truth[chosen] ?? [], end = this.said.pieces.length;
      const thick = this.picture.classList.contains("tall") ? 8 : 11;
      const strongest = rows.map((row) => row.indexOf(Math.max(...row)));
      const crosses = (t) => strongest.some((s, other) => s < end && strongest[t] < end && (other - t) * (s - strongest[t]) < 0);
      const kind = (s, t) => (t === chosen ? "look" : "rest") + (s === strongest[t] && crosses(t) ? " over" : "");
      const of = (t) => each(rows[t] ?? [], (weight, s) => (weight < FAINT || (s === end && t !== chosen) ? "" : this.line(s, t, kind(s, t), thick * weight)));
      const others = [...rows.keys()].filter((t) => t !== chosen);
      this.picture.querySelector("svg").innerHTML = each(others, of) + of(chosen) + each(truth, (s) => this.line(s, chosen, "truth", 1.5, (thick * rows[chosen][s]) / 2 + 5));
      [...this.source.children].forEach((item, s) => {
        item.classList.toggle("true", truth.includes(s));
        item.firstChild.textContent = rows[chosen]?.[s] >= FAINT ? percent(rows[chosen][s]) : "";
      });
      this.buttons().forEach((button, t) => {
        button.ariaPressed = t === chosen;
        button.tabIndex = t === chosen ? 0 : -1;
        button.classList.toggle("later", t > chosen);
      });
      this.says.innerHTML = rows.length ? `${this.sentence(rows[chosen], which)} ${this.hint()}` : "The model wrote nothing.";
      this.tabulate();
    }

    sentence(row, which) {
      const most = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 2).filter((s) => row[s] >= FAINT);
      const looks = most.map((s) => `<em>${escape(this.said.pieces[s]?.text ?? "the end")}</em> (${percent(row[s])})`).join(" and ");
      const head = which.includes(".") ? `head ${which}${this.state.off.has(which) ? ", though switched off," : ""}` : "the model";
      return `While it writes <strong>${escape(this.now.pieces[this.chosen].text)}</strong>, ${head} looks at ${looks || "nothing in particular"}.`;
    }

    // What to look at.
    hint() {
      const { n, from, to } = this.state, tens = Math.floor(n / 10) % 10;
      const unitsFirst = [from, to].filter((code) => UNITS_FIRST.includes(code));
      if (this.crossing && unitsFirst.length === 1) {
        const [over, skipped] = [this.now.pieces[this.crossing[0]], this.said.pieces[this.crossing[1]]];
        return `${this.page.languages[unitsFirst[0]]} says the units before the tens: watch <em>${escape(over.text)}</em> reach over <em>${escape(skipped.text)}</em>.`;
      }
      const twenties = { 7: "seventy is sixty and ten", 8: "eighty is four twenties", 9: "ninety is four twenties and ten" }[tens];
      if (twenties && (from === "fr" || to === "fr")) return `In French, ${twenties}: parts that mean one word elsewhere.`;
      return "Choose another word: each looks for the part of the number that it says.";
    }

    buttons() {
      return [...this.target.querySelectorAll("button")];
    }

    choose(t) {
      if (t === this.chosen) return;
      this.chosen = t;
      this.look();
    }

    step(event) {
      const { chosen } = this, last = this.now.pieces.length - 1;
      const to = { ArrowRight: chosen + 1, ArrowDown: chosen + 1, ArrowLeft: chosen - 1, ArrowUp: chosen - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.buttons()[Math.max(0, Math.min(last, to))].focus();
    }

    preview(head) {
      if (this.previewed === head) return;
      this.previewed = head;
      this.look();
    }

    map(rows) {
      const size = [60 / (this.said.pieces.length + 1), 40 / rows.length];
      const [width, height] = size.map((side) => side.toFixed(2));
      return each(rows, (row, t) => each(row, (weight, s) => `<rect x="${(s * size[0]).toFixed(2)}" y="${(t * size[1]).toFixed(2)}" width="${width}" height="${height}" opacity="${Math.sqrt(weight).toFixed(2)}"/>`));
    }

    tabulate() {
      if (!this.details.open) return;
      const { tokens, pieces } = this.weights(this.lines.value);
      const byToken = this.details.querySelector("input").checked;
      const names = ([ids, { pieces }]) => (byToken ? this.model.pieces(ids) : pieces.map(({ text }) => text));
      const columns = [...names([this.read.slice(0, -1), this.said]), "end"];
      const cell = (t, s) => {
        const same = !byToken && this.truth[t].includes(s);
        return `<td${same ? ' class="true"' : ""}>${Math.round(100 * (byToken ? tokens[t * columns.length + s] : pieces[t][s]))}${same ? '<span class="unseen"> (means the same)</span>' : ""}</td>`;
      };
      this.table.innerHTML = `<table class="weights"><caption>Cross-attention in per cent, ${this.lines.selectedOptions[0].text}. A row for what is written, a column for what is read.${byToken ? "" : " Dashed: means the same."}</caption>
<thead><tr><td></td>${each(columns, (name) => `<th scope="col">${escape(name)}</th>`)}</tr></thead>
<tbody>${each(names([this.now.tokens, this.now]), (name, t) => `<tr><th scope="row">${escape(name)}</th>${each(columns, (_, s) => cell(t, s))}</tr>`)}</tbody></table>`;
    }
  }
  customElements.define("number-translator", NumberTranslator);
})();
