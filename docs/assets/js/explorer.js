// <attention-explorer>: a small GPT-2 that runs in the page. It opens as a tour of a few steps; behind it everything can
// be tried. The loader calls start(model); until then, and in print, the still picture inside the element is shown.
//
// One object holds the state (text, chosen token and head, heads that are off, view). Every control changes it through
// set(), which runs the model again where it has to and draws what follows from the state. The parts, in order: words
// and numbers, drawings, views, the element.
(() => {
  // Words and numbers -------------------------------------------------------------------------------------------

  const made = (element, given, inside) => {
    for (const [name, value] of Object.entries(given)) {
      if (name in element && element instanceof HTMLElement) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...inside);
    return element;
  };
  const h = (tag, given = {}, ...inside) => made(document.createElement(tag), given, inside);
  const svg = (tag, given, ...inside) => made(document.createElementNS("http://www.w3.org/2000/svg", tag), given, inside);
  const small = (...inside) => h("p", { className: "ex-small" }, ...inside);
  const button = (text, onclick, more) => h("button", { type: "button", onclick, ...more }, text);
  const percent = (share) => {
    const number = 100 * share;
    if (number > 0 && number < 0.1) return "<\u202f0.1\u202f%";
    return `${number.toFixed(number < 9.95 && number > 0 ? 1 : 0)}\u202f%`;
  };
  const signed = (number, digits) => number.toFixed(digits).replace(/^-(?=.*[1-9])/, "\u2212").replace("-", "");
  const name = ({ layer, head }) => `${layer + 1}.${head + 1}`;
  const numbers = (text) => text.split(".").map((part) => part - 1);
  // Where a row of weights is largest.
  const largest = (row) => row.reduce((best, value, at) => (value > row[best] ? at : best), 0);
  const step = (weight) => Math.min(9, Math.floor(10 * Math.sqrt(weight)));
  // Most tokens are words with the blank before them; what continues a word gets dots instead.
  const word = (piece, first) => {
    if (!piece.trim()) return piece.includes("\n") ? "\u21b5" : "\u2423";
    return piece[0] !== " " && !first && /^[A-Za-z0-9]/.test(piece) ? `\u2026${piece}` : piece.trim();
  };
  const HABITS = {
    "previous token": ["previous", "mostly at the token before"],
    "first token": ["first", "mostly at the first token"],
    induction: ["induction", "mostly at what followed the same token earlier"],
    itself: ["itself", "mostly at the token itself"],
    mixed: ["mixed", "now here, now there"],
  };
  const VIEWS = {
    map: "Map",
    lines: "Lines",
    next: "Next token",
    costs: "Which matters?",
    compare: "Compare",
    cell: "Arithmetic",
    table: "Table",
    code: "Python",
  };

  // Drawings ----------------------------------------------------------------------------------------------------

  // The theme's colours as a canvas needs them; read again when the theme changes.
  const palette = (element) => {
    const probe = element.appendChild(h("span", { hidden: true }));
    const read = (token) => {
      probe.style.color = `var(--${token})`;
      return getComputedStyle(probe).color;
    };
    const [ink, dim, paper, c2, five] = ["ink", "dim", "paper", "c2", "on5"].map(read);
    const steps = Array.from({ length: 10 }, (_, number) => read(`s${number}`));
    const bytes = (colour) => Uint8Array.from([...colour.match(/[\d.]+/g).slice(0, 3), 255]);
    const pixels = steps.map((colour) => new Uint32Array(bytes(colour).buffer)[0]);
    const sans = getComputedStyle(element).getPropertyValue("--sans");
    probe.remove();
    return { ink, dim, paper, c2, five, steps, pixels, sans };
  };

  // A head's whole map, one pixel a cell; the style sheet blows it up.
  const thumbnail = (canvas, weights, length, colours) => {
    if (canvas.width !== length) canvas.width = canvas.height = length;
    const image = new ImageData(length, length);
    const pixels = new Uint32Array(image.data.buffer);
    for (let query = 0; query < length; query++) {
      const start = query * length;
      for (let cell = start; cell <= start + query; cell++) pixels[cell] = colours.pixels[step(weights[cell])];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  // The large map. Returns what is needed to find the cell under the pointer.
  const drawMap = (canvas, weights, words, colours, room, marked = {}) => {
    const length = words.length;
    const pen = canvas.getContext("2d");
    const sans = (size, weight) => (pen.font = `${weight} ${size}px ${colours.sans}`);
    sans(13, 400);
    const widest = Math.min(room / 4, Math.max(...words.map((text) => pen.measureText(text).width)));
    const left = Math.ceil(widest) + 12;
    const cell = Math.max(4, Math.min(46, Math.floor((room - left - 2) / length)));
    const slanted = cell < widest + 6;
    const top = slanted ? left : 24;
    const width = left + cell * length + 2;
    const height = top + cell * length + 2;
    const sharp = Math.max(1, devicePixelRatio);
    Object.assign(canvas, { width: width * sharp, height: height * sharp });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    pen.scale(sharp, sharp);
    const gap = cell > 11 ? 1 : 0;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.5;
    sans(12, 400); // to set a font is slow: once for the numbers, twice for the names
    for (let query = 0; query < length; query++) {
      const y = top + query * cell;
      const row = weights.subarray(query * length, query * length + query + 1);
      row.forEach((weight, key) => {
        const shade = step(weight);
        pen.fillStyle = colours.steps[shade];
        pen.fillRect(left + key * cell, y, cell - gap, cell - gap);
        if (cell < 26 || weight < 0.1) return;
        pen.fillStyle = shade > 5 ? colours.paper : shade === 5 ? colours.five : colours.ink;
        pen.fillText(Math.round(100 * weight), left + (key + 0.5) * cell, y + cell / 2 + 1);
      });
      if (gap) pen.strokeRect(left + largest(row) * cell + 0.25, y + 0.25, cell - gap - 0.5, cell - gap - 0.5);
    }
    // Names: all of them where there is room, and those of the marked cell.
    const names = (bold) => {
      sans(13, bold ? 600 : 400);
      pen.fillStyle = bold ? colours.ink : colours.dim;
      words.forEach((text, at) => {
        const middle = cell * (at + 0.5);
        if (bold === (at === marked.query) && (gap || bold)) {
          pen.textAlign = "right";
          pen.fillText(text, left - 7, top + middle, left - 7);
        }
        if (bold !== (at === marked.key) || !(gap || bold)) return;
        pen.save();
        pen.translate(left + middle, slanted ? top - 7 : top - 11);
        pen.textAlign = slanted ? "left" : "center";
        if (slanted) pen.rotate(-Math.PI / 2);
        pen.fillText(text, 0, 0, slanted ? top - 8 : cell);
        pen.restore();
      });
    };
    names(false);
    names(true);
    if (marked.key !== undefined) {
      pen.strokeStyle = colours.c2;
      pen.lineWidth = 3;
      pen.strokeRect(left + marked.key * cell - 1, top + marked.query * cell - 1, cell + 1, cell + 1);
    }
    return { left, top, cell };
  };

  // The chosen token on the left, what it may look at on the right, a line as wide as the weight.
  const drawLines = (row, words, query) => {
    const pitch = Math.max(17, Math.min(34, 420 / words.length));
    const size = Math.min(21, pitch * 0.78);
    const height = pitch * words.length + 8;
    const at = (index) => pitch * (index + 0.5) + 4;
    const drawing = svg("svg", { viewBox: `0 0 500 ${height}`, class: "ex-lines", role: "img" });
    const best = largest(row);
    row.forEach((weight, key) => {
      if (weight < 0.01) return;
      const path = `M182 ${at(query)}C270 ${at(query)} 290 ${at(key)} 378 ${at(key)}`;
      const kind = key === best ? "ex-best" : "";
      drawing.append(svg("path", { d: path, "stroke-width": Math.max(0.7, 9 * weight).toFixed(1), class: kind }));
    });
    const write = (index, x, text, given) => drawing.append(svg("text", { x, y: at(index), ...given }, text));
    words.forEach((text, index) => {
      const end = { "text-anchor": "end" };
      write(index, 172, text, { "font-size": size, class: index === query ? "" : "ex-faint", ...end });
      write(index, 388, text, { "font-size": size, class: index > query ? "ex-faint" : "" });
      if (row[index] >= 0.01) write(index, 500, percent(row[index]), { class: "ex-share", ...end });
    });
    drawing.setAttribute("aria-label", `“${words[query]}” looks most at “${words[best]}”, ${percent(row[best])}`);
    return drawing;
  };

  const bar = (share, kind = "") =>
    h("span", { className: `ex-bar ${kind}`, style: `--w:${(100 * share).toFixed(2)}%` });
  const gauge = (share, text, kind) => h("span", { className: "ex-gauge" }, h("span", {}, bar(share, kind)), text);

  const scrolled = (ariaLabel, inside) =>
    h("div", { className: "ex-scroll", tabIndex: 0, role: "region", ariaLabel }, inside);

  // Arrow keys in a group of which one is chosen; the group is one stop of the Tab key.
  const arrows = (event, at, count, columns) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const to = event.key === "Home" ? 0 : event.key === "End" ? count - 1 : at + (moves[event.key] ?? NaN);
    if (Number.isNaN(to)) return undefined;
    event.preventDefault();
    return to >= 0 && to < count ? to : at;
  };
  const walk = (group, columns, at, choose) => {
    group.onkeydown = (event) => {
      const to = arrows(event, at(), group.children.length, columns);
      if (to === undefined) return;
      choose(to);
      group.children[to].focus();
    };
  };

  // Views: each draws one panel from what the element knows ---------------------------------------------------------

  const legend = () => {
    const scale = h("span", { className: "ex-scale", ariaHidden: "true" });
    for (let shade = 0; shade < 10; shade++) scale.append(h("i", { style: `background:var(--s${shade})` }));
    const told = " 100\u202f%. Colour is the square root of the weight; a box marks a row’s largest.";
    return h("p", { className: "ex-small ex-legend" }, "0 ", scale, told);
  };

  const views = {
    tokens: () => [],

    map(explorer) {
      const { state, words } = explorer;
      const canvas = h("canvas");
      const holder = h("div", {
        className: "ex-map",
        tabIndex: 0,
        role: "application",
        ariaLabel: `Attention map of head ${name(state)}. Arrow keys move from cell to cell, Enter chooses the row.`,
      }, canvas);
      let shape;
      const draw = () => {
        const room = Math.min(explorer.room, 560);
        shape = drawMap(canvas, explorer.weights(), words, explorer.colours, room, explorer.cell);
      };
      const move = (query, key, loud) => {
        explorer.cell = { query, key: Math.min(key, query) };
        draw();
        explorer.speak(loud);
      };
      const under = (event) => {
        if (!shape) return null;
        const box = canvas.getBoundingClientRect();
        const key = Math.floor((event.clientX - box.left - shape.left) / shape.cell);
        const query = Math.floor((event.clientY - box.top - shape.top) / shape.cell);
        return key >= 0 && query >= key && query < words.length ? [query, key] : null;
      };
      holder.onpointermove = (event) => under(event) && move(...under(event));
      holder.onpointerleave = () => move(state.query, explorer.cell.key);
      holder.onclick = (event) => {
        const [query, key] = under(event) || [];
        if (key !== undefined) explorer.set({ query, key });
      };
      holder.onkeydown = (event) => {
        const { query, key } = explorer.cell;
        if (event.key === "Enter") return explorer.set({ query, key });
        if (arrows(event, 0, 1, 2) === undefined) return undefined;
        const row = query + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0);
        const column = { Home: 0, End: query }[event.key] ?? key + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0);
        return row >= 0 && row < words.length && column >= 0 && move(row, Math.min(row, column), true);
      };
      explorer.redraw = draw;
      return [holder, legend()];
    },

    lines: (explorer) => [drawLines(explorer.row(), explorer.words, explorer.state.query)],

    next(explorer) {
      const { state, model, words, ids } = explorer;
      const shape = { temperature: state.temperature, topK: state.topK || undefined };
      const after = Live.probabilities(explorer.logits(explorer.run), shape);
      const before = Live.probabilities(explorer.logits(explorer.intact), shape);
      const actual = ids[state.query + 1];
      const top = [...after.keys()].sort((one, other) => after[other] - after[one] || one - other).slice(0, 8);
      const first = largest(before);
      for (const token of [first, actual]) if (token !== undefined && !top.includes(token)) top.push(token);
      const cut = state.off.length > 0;
      const list = h("ol", { className: "ex-next" });
      for (const token of top) {
        const label = h("span", { className: "ex-word" }, word(model.pieces([token])[0], false));
        const bars = h("span", { className: "ex-bars" }, bar(after[token]));
        if (cut) bars.append(bar(before[token], "ex-before"));
        const told = h("span", { className: "ex-number" }, percent(after[token]));
        if (cut) told.append(h("small", {}, ` was ${percent(before[token])}`));
        const item = h("li", {}, label, bars, told);
        if (token === actual) item.append(h("em", {}, "stands next in the text"));
        list.append(item);
      }
      const note = cut ? `Grey: with all heads on. Blue: without ${state.off.join(", ")}.` : "";
      return [small(`What the model expects after “${words[state.query]}”. ${note}`), list];
    },

    costs(explorer) {
      const { state, model, words, ids } = explorer;
      const target = largest(explorer.logits(explorer.intact));
      const expected = word(model.pieces([target])[0], false);
      // Where the expected token stands already, how hard each head looks there; else where it looks hardest.
      const there = [...ids.keys()].filter((at) => at <= state.query && ids[at] === target);
      const body = h("tbody");
      explorer.ablations((costs) => {
        const most = Math.max(...costs.map(({ bits }) => Math.abs(bits)), 0.1);
        for (const { at, bits, row } of costs.sort((one, other) => other.bits - one.bits)) {
          const best = largest(row);
          const weight = there.length ? there.reduce((sum, key) => sum + row[key], 0) : row[best];
          body.append(h("tr", { className: name(at) === name(state) ? "ex-here" : "" },
            h("th", { scope: "row" }, button(name(at), () => explorer.set(at), { className: "ex-plain" })),
            h("td", {}, gauge(Math.max(0, bits) / most, signed(bits, 2), "ex-cost")),
            h("td", {}, gauge(weight, percent(weight) + (there.length ? "" : ` at “${words[best]}”`))),
          ));
        }
      });
      const heading = ["Head", "Bits lost without it", there.length ? `Its attention to “${expected}”` : "Its largest weight"];
      return [
        small(`The model expects “${expected}” after “${words[state.query]}”. `,
          "What is lost of that when one head is switched off, and how hard that head looks."),
        h("table", { className: "ex-costs" },
          h("thead", {}, h("tr", {}, ...heading.map((text) => h("th", { scope: "col" }, text)))), body),
      ];
    },

    compare(explorer) {
      const { state, model } = explorer;
      const heads = h("select");
      for (const at of explorer.heads()) {
        heads.append(h("option", { value: name(at), selected: name(at) === state.other }, `head ${name(at)}`));
      }
      const text = h("input", { value: state.second, placeholder: "another sentence", spellcheck: false });
      heads.onchange = () => explorer.set({ other: heads.value });
      text.onchange = () => explorer.set({ second: text.value });
      const second = text.value ? model.encode(text.value).slice(0, model.config.context) : explorer.ids;
      const [layer, head] = numbers(state.other);
      const run = text.value ? (state.off.length ? explorer.gated : explorer.spare()).run(second) : explorer.run;
      const pieces = model.pieces(second).map((piece, index) => word(piece, !index));
      const here = h("canvas");
      const there = h("canvas");
      const figure = (canvas, words, at, logits) => {
        const chances = Live.probabilities(logits, {});
        const best = largest(chances);
        const expected = word(model.pieces([best])[0], false);
        const said = `After “${words.at(-1)}” the model expects “${expected}”, ${percent(chances[best])}.`;
        return h("div", {}, canvas, small(`Head ${name(at)}. ${said}`));
      };
      explorer.redraw = () => {
        const half = explorer.room < 440 ? explorer.room : explorer.room / 2 - 12;
        drawMap(here, explorer.weights(), explorer.words, explorer.colours, half);
        drawMap(there, run.attention(layer, head), pieces, explorer.colours, half);
      };
      const vocabulary = model.config.vocab_size;
      const last = ({ logits }) => logits.subarray(logits.length - vocabulary);
      return [
        h("p", { className: "ex-controls" }, h("label", {}, "Second map ", heads),
          h("label", { className: "ex-wide" }, "Second sentence, if it should be another ", text)),
        h("div", { className: "ex-pair" }, figure(here, explorer.words, state, last(explorer.run)),
          figure(there, pieces, { layer, head }, last(run))),
      ];
    },

    // One weight, worked out from the numbers of its query and key.
    cell(explorer) {
      const { state, run, words } = explorer;
      const { query, key } = explorer.cell;
      const { d_model, n_heads } = explorer.model.config;
      const width = d_model / n_heads;
      const [queries, keys] = ["query", "key"].map((what) => run[what](state.layer, state.head));
      const q = queries.subarray(query * width, (query + 1) * width);
      const dot = (at) => q.reduce((sum, value, n) => sum + value * keys[at * width + n], 0);
      const scores = Array.from({ length: query + 1 }, (_, at) => dot(at) / Math.sqrt(width));
      const highest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - highest));
      const total = powers.reduce((sum, power) => sum + power, 0);
      const products = Array.from(q, (value, n) => value * keys[key * width + n]);
      const strip = (values, label) => {
        const scale = Math.max(...values.map(Math.abs), 1e-9);
        const cells = values.map((value) => {
          const height = `--w:${Math.round((100 * Math.abs(value)) / scale)}%`;
          return h("i", { title: signed(value, 3), className: value < 0 ? "ex-minus" : "", style: height });
        });
        const bars = h("span", { className: "ex-cells", ariaHidden: "true" }, ...cells);
        return h("div", { className: "ex-strip" }, h("span", {}, label), bars);
      };
      const line = (what, sum, result) =>
        h("tr", {}, h("th", { scope: "row" }, what), h("td", {}, sum), h("td", {}, result));
      const factors = [0, 1, 2].map((n) => `${signed(q[n], 2)} × ${signed(keys[key * width + n], 2)}`);
      const exponent = `exp(${signed(scores[key], 3)} \u2212 ${signed(highest, 3)})`.replace("\u2212 \u2212", "+ ");
      return [
        small(`Why does “${words[query]}” give “${words[key]}” its weight? For another pair choose its cell in the map. `,
          "Each row of bars has its own scale: blue is above zero, rust below."),
        strip([...q], `what “${words[query]}” asks`),
        strip([...keys.subarray(key * width, (key + 1) * width)], `what “${words[key]}” offers`),
        strip(products, "their products"),
        h("table", { className: "ex-sums", ariaLabel: "The arithmetic of this weight" }, h("tbody", {},
          line("Sum of the products", `${factors.join(" + ")} + … (${width} terms)`, signed(dot(key), 3)),
          line("Divided by the root of the width", `${signed(dot(key), 3)} / √${width}`, signed(scores[key], 3)),
          line("exp of it, less the largest one", exponent, powers[key].toFixed(4)),
          line(`Sum of exp over ${query + 1} tokens`, query ? "later tokens are hidden: exp(\u2212∞) = 0" : "there is only one", total.toFixed(4)),
          line("Weight", `${powers[key].toFixed(4)} / ${total.toFixed(4)}`, percent(powers[key] / total)),
        )),
      ];
    },

    table(explorer) {
      const { state, words } = explorer;
      const all = explorer.weights();
      const head = h("tr", {}, h("td"), ...words.map((text) => h("th", { scope: "col" }, text)));
      const rows = words.map((text, query) => h("tr", {}, h("th", { scope: "row" }, text),
        ...words.map((_, key) => h("td", {}, key > query ? "" : (100 * all[query * words.length + key]).toFixed(1)))));
      const caption = h("caption", {}, `Head ${name(state)}: where each token (rows) looks (columns), per cent`);
      const table = h("table", { className: "ex-table" }, caption, h("thead", {}, head), h("tbody", {}, ...rows));
      return [scrolled("The weights of this head as a table", table)];
    },

    code(explorer) {
      const text = explorer.python();
      const copy = button("Copy", async () => {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
      });
      return [
        small("The same numbers with our code: run it in a clone of this project. ", copy),
        scrolled("Python that reproduces what is shown", h("pre", {}, h("code", {}, text))),
      ];
    },
  };

  // The element -------------------------------------------------------------------------------------------------

  class AttentionExplorer extends HTMLElement {
    start(model) {
      this.model = model;
      this.gated = model.fork();
      const [preset] = model.page.presets;
      this.state = {
        mode: model.page.tour.length ? "tour" : "explore", step: 0, text: preset.text, query: 4, key: undefined,
        layer: preset.shown?.layer ?? 0, head: preset.shown?.head ?? 0, off: [], view: model.page.tour.length ? "tokens" : "map",
        temperature: 1, topK: 0, seed: 1, other: "1.1", second: "",
      };
      this.build();
      this.restore();
      this.colours = palette(this);
      this.room = this.panel.clientWidth; // kept, for to ask after a change would lay out the page at once
      this.compute();
      this.draw();
      this.listen();
    }

    connectedCallback() {
      if (this.model) this.listen();
    }

    disconnectedCallback() {
      this.listening?.abort();
      this.watchers?.forEach((watcher) => watcher.disconnect());
    }

    // What is outside of the element, and so has to be let go when it leaves the page.
    listen() {
      this.disconnectedCallback();
      this.listening = new AbortController();
      const { signal } = this.listening;
      const repaint = () => {
        this.colours = palette(this);
        this.draw();
      };
      addEventListener("hashchange", () => this.restore() && (this.compute(), this.draw()), { signal });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint, { signal });
      const theme = new MutationObserver(repaint);
      theme.observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
      const size = new ResizeObserver(([{ contentRect }]) => {
        if (this.room === contentRect.width) return;
        this.room = contentRect.width;
        this.redraw?.();
      });
      size.observe(this.panel);
      this.watchers = [theme, size];
    }

    // State ------------------------------------------------------------------------------------------------------

    // Change the state; run the model where its input changed; draw.
    set(change, loud = false) {
      const old = this.state;
      this.state = { ...old, ...change };
      const moved = ["query", "layer", "head", "text"].some((what) => what in change);
      if (moved && !("key" in change)) this.state.key = undefined;
      if (this.state.text !== old.text || this.state.off !== old.off) this.compute();
      this.draw();
      this.speak(loud);
      clearTimeout(this.saving);
      this.saving = setTimeout(() => history.replaceState(null, "", this.address()), 250);
    }

    compute() {
      const { model, state } = this;
      const all = model.encode(state.text);
      this.cut = all.length > model.config.context;
      this.ids = all.slice(0, model.config.context);
      this.empty = !this.ids.length;
      if (this.empty) this.ids = model.encode(" ");
      this.words = model.pieces(this.ids).map((piece, index) => word(piece, !index));
      this.intact = model.run(this.ids);
      this.run = this.intact;
      if (state.off.length) {
        for (const at of this.heads()) {
          const value = state.off.includes(name(at)) ? 0 : 1;
          this.gated.setGate(at.layer, at.head, value);
        }
        this.run = this.gated.run(this.ids);
      }
      state.query = Math.max(0, Math.min(state.query, this.ids.length - 1));
    }

    heads() {
      const { n_layers, n_heads } = this.model.config;
      return Array.from({ length: n_layers * n_heads }, (_, at) => ({ layer: Math.floor(at / n_heads), head: at % n_heads }));
    }

    weights(at = this.state, run = this.run) {
      return run.attention(at.layer, at.head);
    }

    row(at = this.state, query = this.state.query, run = this.run) {
      const { length } = this.words;
      return this.weights(at, run).subarray(query * length, query * length + query + 1);
    }

    logits(run, query = this.state.query) {
      const size = this.model.config.vocab_size;
      return run.logits.subarray(query * size, (query + 1) * size);
    }

    // A third copy, for what is neither the shown run nor the trained model.
    spare() {
      return (this.third ??= this.model.fork());
    }

    // Bits that the expected token loses without the heads that are off.
    lost(run = this.run) {
      const before = Live.probabilities(this.logits(this.intact), {});
      const target = largest(before);
      const after = Live.probabilities(this.logits(run), {});
      return { target, before: before[target], after: after[target], bits: Math.log2(before[target] / after[target]) };
    }

    // Each head off alone, a few at a time so that the page stays quick; given up when the state has moved on.
    ablations(done) {
      const { ids, state } = this;
      const trial = this.spare();
      const costs = [];
      const waiting = this.heads();
      this.ablating = costs;
      const work = () => {
        if (this.ablating !== costs) return;
        const until = performance.now() + 12;
        while (waiting.length && performance.now() < until) {
          const at = waiting.shift();
          trial.setGate(at.layer, at.head, 0);
          const { bits } = this.lost(trial.run(ids));
          trial.setGate(at.layer, at.head, 1);
          costs.push({ at, bits, row: this.row(at, state.query, this.intact) });
        }
        if (waiting.length) setTimeout(work);
        else done(costs);
      };
      work();
    }

    // Bits for each token of the text: how strange it is to the model.
    strangeness(ids, run) {
      const size = this.model.config.vocab_size;
      let nats = 0;
      for (let at = 1; at < ids.length; at++) {
        const row = (at - 1) * size;
        const told = run.logits[row + ids[at]];
        let sum = 0;
        for (let token = 0; token < size; token++) sum += Math.exp(run.logits[row + token] - told);
        nats += Math.log(sum);
      }
      return nats / Math.LN2 / Math.max(1, ids.length - 1);
    }

    // The state in the address ------------------------------------------------------------------------------------

    address() {
      const { state } = this;
      if (state.mode === "tour") return `#${this.id}?step=${state.step + 1}`;
      const given = { text: state.text, at: state.query + 1, head: name(state), view: state.view };
      if (state.key !== undefined) given.key = state.key + 1;
      if (state.off.length) given.off = state.off.join(",");
      if (state.view === "next") Object.assign(given, { temperature: state.temperature, k: state.topK, seed: state.seed });
      if (state.view === "compare") Object.assign(given, { other: state.other, second: state.second });
      return `#${this.id}?${new URLSearchParams(given)}`;
    }

    restore() {
      if (!location.hash.startsWith(`#${this.id}?`)) return false;
      const given = new URLSearchParams(location.hash.slice(this.id.length + 2));
      const known = this.heads().map(name);
      const number = (key, least, most, otherwise) => {
        const value = parseFloat(given.get(key));
        return value >= least && value <= most ? value : otherwise;
      };
      const { state } = this;
      if (given.has("step") && this.model.page.tour.length) {
        Object.assign(state, { mode: "tour", step: number("step", 1, this.model.page.tour.length, 1) - 1 });
        this.apply(state.step);
        return true;
      }
      state.mode = "explore";
      state.text = given.get("text") ?? state.text;
      state.query = Math.floor(number("at", 1, Infinity, 1)) - 1;
      state.key = given.has("key") ? Math.floor(number("key", 1, state.query + 1, 1)) - 1 : undefined;
      if (known.includes(given.get("head"))) [state.layer, state.head] = numbers(given.get("head"));
      state.off = (given.get("off") ?? "").split(",").filter((one) => known.includes(one));
      state.view = given.get("view") in VIEWS ? given.get("view") : "map";
      state.temperature = number("temperature", 0.1, 2, 1);
      state.topK = Math.floor(number("k", 0, 100, 0));
      state.seed = Math.floor(number("seed", 0, 1e6, 1));
      if (known.includes(given.get("other"))) state.other = given.get("other");
      state.second = given.get("second") ?? "";
      return true;
    }

    // What a step of the tour shows; what it leaves open is as it is at the start.
    apply(step) {
      const { set } = this.model.page.tour[step];
      const [preset] = this.model.page.presets;
      Object.assign(this.state, {
        text: set.text ?? preset.text, query: set.query ?? 0, layer: set.layer ?? 0, head: set.head ?? 0, key: undefined,
        off: (set.off ?? []).map(([layer, head]) => name({ layer, head })), view: set.view ?? "tokens", temperature: 1, topK: 0,
      });
      this.state.shown = step;
    }

    // Frame ------------------------------------------------------------------------------------------------------

    build() {
      const { model, state } = this;
      const { page } = model;
      const size = +this.getAttribute("bytes") / 1e6;

      this.modes = [["tour", "Tour"], ["explore", "Explore freely"]].map(([mode, text]) => {
        const change = () => {
          const { view } = this.state;
          this.set({ mode, view: mode === "explore" && view === "tokens" ? "map" : view });
        };
        return button(text, change, { className: "ex-tab", "data-mode": mode });
      });
      const head = h("div", { className: "ex-head" },
        h("p", {}, h("strong", {}, "A small GPT-2, live in this page"), ` ${size.toFixed(1)} MB, nothing leaves your device`),
        h("div", { className: "ex-tabs", role: "group", ariaLabel: "How to use it" }, ...this.modes));

      // The tour
      this.count = small();
      this.say = h("p", { className: "ex-say" });
      this.ask = h("p", { className: "ex-ask" });
      this.act = button("", () => {
        this.apply(this.state.step);
        this.compute();
        this.set({});
        this.announce(page.tour[this.state.step].ask);
      }, { className: "ex-first" });
      this.back = button("Back", () => this.turn(-1));
      this.forth = button("Next", () => this.turn(1));
      this.tour = h("section", { className: "ex-tour", ariaLabel: "Tour" }, this.count, this.say,
        h("p", { className: "ex-turn" }, this.act, h("span", {}, this.back, this.forth)), this.ask);

      // The free part
      this.presets = h("select", { onchange: () => this.preset(this.presets.value) }, h("option", { value: "" }, "your own"));
      for (const preset of page.presets) this.presets.append(h("option", { value: preset.id }, preset.name));
      this.box = h("textarea", { rows: 2, spellcheck: false, autocomplete: "off", maxLength: 2000, value: state.text });
      this.box.oninput = () => {
        const text = this.box.value;
        this.set({ text, query: model.encode(text).length - 1 });
      };
      this.honest = h("p", { className: "ex-small ex-honest" });
      this.free = h("section", { className: "ex-free", ariaLabel: "Explore freely" },
        h("p", { className: "ex-controls" }, h("label", {}, "Example ", this.presets), h("span", { className: "ex-small" }, "or write your own:")),
        h("label", { className: "ex-box" }, h("span", { className: "ex-hidden" }, "Sentence"), this.box), this.honest);

      // Token chips
      this.over = h("p", { className: "ex-title" });
      this.chips = h("div", { className: "ex-chips", role: "radiogroup" });
      walk(this.chips, 1, () => this.state.query, (query) => this.set({ query }, true));
      this.chips.onclick = (event) => {
        const chip = event.target.closest("button");
        if (chip) this.set({ query: [...this.chips.children].indexOf(chip) });
      };

      // Heads
      const { n_heads } = model.config;
      this.buttons = this.heads().map((at) => {
        const { kind } = page.heads[at.layer][at.head];
        return h("button", { type: "button", role: "radio", onclick: () => this.set(at) },
          h("canvas", { ariaHidden: "true" }), h("span", { className: "ex-habit" }, HABITS[kind]?.[0] ?? kind), h("span"));
      });
      const group = { role: "radiogroup", ariaLabel: "Heads: one row a layer", style: `--n:${n_heads}` };
      this.grid = h("div", { className: "ex-grid", ...group }, ...this.buttons);
      const chosen = () => this.state.layer * n_heads + this.state.head;
      walk(this.grid, n_heads, chosen, (to) => this.set(this.heads()[to], true));
      this.about = small();
      this.cost = h("p", { className: "ex-small ex-lost" });
      this.flip = button("", () => {
        const { off } = this.state;
        const one = name(this.state);
        this.set({ off: off.includes(one) ? off.filter((other) => other !== one) : [...off, one].sort() }, true);
      });
      this.allOn = button("All heads on", () => this.set({ off: [] }, true), { className: "ex-plain" });
      const told = h("p", { className: "ex-title" }, "Heads, a row a layer. What each does mostly, and its spread in bits.");
      this.side = h("section", { className: "ex-side", ariaLabel: "Heads" }, told, this.grid, this.about, h("p", { className: "ex-switch" }, this.flip, this.allOn));

      // Views
      this.tabs = Object.entries(VIEWS).map(([view, text]) =>
        button(text, () => this.set({ view }), { role: "tab", className: "ex-tab", "data-view": view }));
      this.tabList = h("div", { className: "ex-tabs", role: "tablist", ariaLabel: "Views" }, ...this.tabs);
      const keys = Object.keys(VIEWS);
      walk(this.tabList, 1, () => keys.indexOf(this.state.view), (to) => this.set({ view: keys[to] }));
      this.controls = this.sampling();
      this.panel = h("div", { className: "ex-panel", role: "tabpanel" });
      this.spoken = h("p", { className: "ex-spoken" });
      this.live = h("p", { className: "ex-hidden", ariaLive: "polite" });
      const view = h("section", { ariaLabel: "View" }, this.tabList, this.panel, this.controls, this.spoken);
      this.main = h("div", { className: "ex-main" }, this.side, view);
      this.append(h("div", { className: "live-body ex" }, head, this.tour, this.free, this.over, this.chips, this.cost,
        this.main, this.live));
    }

    // Temperature, top-k, seed, and writing on.
    sampling() {
      const slider = (text, key, min, max, steps, told) => {
        const input = h("input", { type: "range", min, max, step: steps, value: this.state[key] });
        const shown = h("output", {}, told(this.state[key]));
        input.oninput = () => this.set({ [key]: +input.value });
        const show = () => {
          input.value = this.state[key];
          shown.value = told(this.state[key]);
        };
        return { node: h("label", {}, `${text} `, input, shown), show };
      };
      this.sliders = [
        slider("Temperature", "temperature", 0.1, 2, 0.1, (value) => value.toFixed(1)),
        slider("Top-k", "topK", 0, 40, 1, (value) => (value ? `best ${value}` : "all")),
      ];
      const seed = h("input", { type: "number", min: 0, max: 1e6, value: this.state.seed });
      seed.oninput = () => this.set({ seed: Math.max(0, Math.floor(seed.value) || 0) });
      this.sliders.push({ show: () => document.activeElement === seed || (seed.value = this.state.seed) });
      this.full = h("span", { className: "ex-small" });
      const [temperature, topK] = this.sliders;
      return h("div", { className: "ex-controls ex-sampling" }, temperature.node, topK.node, h("label", {}, "Seed ", seed),
        button("Write one token", () => this.write(1)), button("Write twelve", () => this.write(12)), this.full);
    }

    write(count) {
      const random = Live.random(this.state.seed);
      const model = this.state.off.length ? this.gated : this.model;
      const { context, vocab_size } = model.config;
      const shape = { temperature: this.state.temperature, topK: this.state.topK || undefined };
      const ids = [...this.ids];
      for (let n = 0; n < count && ids.length < context; n++) {
        const { logits } = model.run(ids);
        const chances = Live.probabilities(logits.subarray((ids.length - 1) * vocab_size), shape);
        const token = Live.sample(chances, random);
        if (token === vocab_size - 1) break; // the end of a text
        ids.push(token);
      }
      const text = model.decode(ids);
      const written = text.slice(this.state.text.length);
      this.set({ text, query: model.encode(text).length - 1 });
      this.announce(`Written: ${written}`);
    }

    turn(by) {
      const { tour } = this.model.page;
      const step = this.state.step + by;
      if (step >= tour.length) return this.modes[1].click(), this.modes[1].focus();
      this.set({ step: Math.max(0, step) });
      this.announce(`Step ${step + 1}: ${tour[step].say}`);
      return this.act.focus({ preventScroll: true });
    }

    preset(id) {
      const preset = this.model.page.presets.find((one) => one.id === id);
      if (preset) this.set({ text: preset.text, off: [], ...(preset.shown ?? { query: 0 }) });
    }

    // Draw the state -----------------------------------------------------------------------------------------------

    draw() {
      const { state, model } = this;
      const { page } = model;
      const touring = state.mode === "tour";
      this.cell = { query: state.query, key: state.key ?? largest(this.row()) };
      for (const mode of this.modes) mode.setAttribute("aria-pressed", mode.dataset.mode === state.mode);
      this.modes[0].hidden = !page.tour.length;
      this.tour.hidden = !touring;
      this.free.hidden = touring;
      if (touring) this.drawTour(page.tour);
      else this.drawFree(page);
      this.drawChips();
      this.drawCost();
      const withHeads = !touring || ["map", "costs"].includes(state.view);
      this.side.hidden = !withHeads;
      this.main.classList.toggle("ex-one", !withHeads);
      this.spoken.hidden = !["tokens", "map", "lines", "cell"].includes(state.view);
      if (withHeads) this.drawHeads(page);
      this.tabList.hidden = touring;
      this.controls.hidden = touring || state.view !== "next";
      for (const slider of this.sliders) slider.show();
      this.full.textContent = this.ids.length >= model.config.context ? "The context is full." : "";
      for (const tab of this.tabs) {
        const chosen = tab.dataset.view === state.view;
        tab.ariaSelected = chosen;
        tab.tabIndex = chosen ? 0 : -1;
      }
      // A panel that is drawn again keeps the focus where it was.
      const stops = () => [...this.panel.querySelectorAll("[tabindex],button,input,select")];
      const focused = stops().indexOf(document.activeElement);
      this.redraw = undefined;
      this.ablating = undefined;
      this.panel.ariaLabel = VIEWS[state.view] ?? "";
      this.panel.replaceChildren(...views[state.view](this));
      if (focused >= 0) stops()[focused]?.focus({ preventScroll: true });
      this.speak();
      // Canvases are painted once a frame, however often the state has changed by then.
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.paint();
      });
    }

    paint() {
      if (!this.side.hidden) {
        this.heads().forEach((at, index) =>
          thumbnail(this.buttons[index].firstChild, this.weights(at), this.words.length, this.colours));
      }
      this.redraw?.();
    }

    drawTour(tour) {
      const { step, shown } = this.state;
      const here = tour[step];
      const done = shown === step;
      this.count.textContent = `Step ${step + 1} of ${tour.length}`;
      this.say.textContent = here.say;
      this.act.textContent = here.button;
      this.ask.textContent = done ? here.ask : "";
      this.back.disabled = !step;
      this.forth.textContent = step + 1 < tour.length ? "Next" : "Explore freely";
      this.act.classList.toggle("ex-first", !done);
      this.forth.classList.toggle("ex-first", done);
    }

    drawFree(page) {
      const { state, model } = this;
      if (this.box.value !== state.text) this.box.value = state.text;
      const preset = page.presets.find(({ text }) => text === state.text);
      this.presets.value = preset?.id ?? "";
      const bits = this.strangeness(this.ids, this.intact);
      // Ordinary is what the examples are: a quarter above the strangest of them is strange.
      this.usual ??= Math.max(...page.presets.map(({ text }) => {
        const ids = model.encode(text).slice(0, model.config.context);
        return this.strangeness(ids, this.spare().run(ids));
      }));
      const { context } = model.config;
      const said = [];
      if (preset) said.push(`${preset.task} New sentences like this one come out right in ${percent(preset.score)} of cases.`);
      if (this.empty) said.push("Write something: until then the model reads a blank.");
      else said.push(`${this.ids.length} of at most ${context} tokens, ${bits.toFixed(1)} bits each.`);
      if (this.cut) said.push(`The model reads ${context} tokens at most; the rest of your text is left out.`);
      if (bits > 1.25 * this.usual) {
        said.push(`The examples cost it at most ${this.usual.toFixed(1)}: this model has never seen words like these, `
          + "so do not trust what it says of them.");
      }
      this.honest.textContent = said.join(" ");
    }

    drawChips() {
      const { state, words } = this;
      const row = this.row();
      const pieces = this.model.pieces(this.ids);
      this.over.textContent = `Where “${words[state.query]}” looks, in per cent of its attention (head ${name(state)})`;
      this.chips.ariaLabel = "Tokens: choose the one that looks";
      // Chips are kept where there are enough of them, so that the focus stays.
      while (this.chips.children.length > words.length) this.chips.lastChild.remove();
      while (this.chips.children.length < words.length) {
        this.chips.append(h("button", { type: "button", role: "radio" }, h("span"), h("small")));
      }
      words.forEach((text, at) => {
        const chip = this.chips.children[at];
        const seen = at <= state.query;
        const shade = seen ? step(row[at]) : 0;
        const apart = !at || pieces[at][0] === " " ? "ex-apart" : "";
        const chosen = at === state.query ? "ex-chosen" : "";
        chip.className = `${apart} ${seen ? `ex-s${shade}` : "ex-unseen"} ${chosen}`;
        chip.firstChild.textContent = pieces[at].trim() || text;
        chip.lastChild.className = seen && row[at] >= 0.005 ? "" : "ex-none";
        chip.lastChild.textContent = seen ? Math.round(100 * row[at]) : "\u2013";
        chip.setAttribute("aria-checked", at === state.query);
        chip.ariaLabel = seen ? `${text}, ${percent(row[at])}` : `${text}, later: not visible`;
        chip.tabIndex = at === state.query ? 0 : -1;
      });
    }

    drawHeads(page) {
      const { state, words } = this;
      this.heads().forEach((at, index) => {
        const made = this.buttons[index];
        const off = state.off.includes(name(at));
        const chosen = at.layer === state.layer && at.head === state.head;
        const all = this.run.attention(at.layer, at.head);
        const start = state.query * words.length;
        const bits = Live.entropy(all.subarray(start, start + state.query + 1));
        const known = page.heads[at.layer][at.head];
        made.className = off ? "ex-off" : "";
        made.setAttribute("aria-checked", chosen);
        made.tabIndex = chosen ? 0 : -1;
        made.lastChild.textContent = off ? "off" : `${bits.toFixed(1)} bits`;
        const habit = (HABITS[known.kind] ?? [known.kind])[0];
        made.ariaLabel = `Head ${name(at)}, ${habit}, ${bits.toFixed(1)} bits${off ? ", switched off" : ""}`;
      });
      const { kind, share, cost } = page.heads[state.layer][state.head];
      const habit = (HABITS[kind] ?? [0, kind])[1];
      const mean = kind === "mixed" ? "" : `, ${percent(share)} of its attention over many sentences`;
      this.about.replaceChildren(h("strong", {}, `Head ${name(state)}`), ` looks ${habit}${mean}. `,
        `Without it, ${signed(cost, 2)} bits of the right answer are lost on average.`);
      const off = state.off.includes(name(state));
      this.flip.textContent = `Switch head ${name(state)} ${off ? "on" : "off"}`;
      this.allOn.hidden = !state.off.length;
    }

    drawCost() {
      const { off, query } = this.state;
      this.cost.hidden = !off.length;
      if (!off.length) return;
      const { target, before, after, bits } = this.lost();
      const expected = word(this.model.pieces([target])[0], false);
      const change = `${Math.abs(bits).toFixed(2)} bits ${bits < 0 ? "won" : "lost"}`;
      this.cost.replaceChildren(h("strong", {}, `Off: ${off.join(", ")}.`), ` After “${this.words[query]}” the model `
        + `expected “${expected}” with ${percent(before)}, now with ${percent(after)}: ${change}.`);
    }

    // The cell under the cursor in a sentence; aloud only after keys, and only when they rest.
    speak(loud) {
      const { words, cell, state } = this;
      const row = this.row(state, cell.query);
      const best = largest(row);
      const [from, to] = [cell.query, cell.key].map((at) => `“${words[at]}” (token ${at + 1})`);
      const told = best === cell.key
        ? `${from} gives most to ${to}: ${percent(row[best])}.`
        : `${from} gives ${percent(row[cell.key])} to ${to}, and most to “${words[best]}”, ${percent(row[best])}.`;
      const [spread, most] = [Live.entropy(row), Math.log2(row.length)].map((bits) => bits.toFixed(2));
      this.spoken.textContent = cell.query
        ? `${told} Spread: ${spread} bits, where 0 is one token alone and ${most} all alike.`
        : `${from} comes first: it can look at nothing but itself.`;
      if (loud) this.announce(this.cost.hidden ? this.spoken.textContent : this.cost.textContent);
    }

    announce(text) {
      clearTimeout(this.saying);
      this.saying = setTimeout(() => (this.live.textContent = text), 500);
    }

    // The shown numbers once more, with the project's own code.
    python() {
      const { state } = this;
      const off = state.off.map((one) => `(${numbers(one).join(", ")})`).join(", ");
      const text = JSON.stringify(this.empty ? " " : state.text); // a string of JSON is one of Python's too
      return `from pathlib import Path

from generators.weights import read_live
from implementations.gpt2 import GPT2, ByteTokenizer, next_token
from implementations.transformer import TransformerConfig
from torch import no_grad, tensor

weights, live = read_live(Path("results/gpt2/explorer.safetensors"))
sizes = {name: size for name, size in live["config"].items() if name != "epsilon"}
model = GPT2(TransformerConfig(**sizes, dropout=0.0)).eval()
model.load_state_dict(weights)

symbols, merges = [bytes([value]) for value in range(256)], []
for left, right in live["tokenizer"]["merges"]:
    merges.append((symbols[left], symbols[right]))
    symbols.append(symbols[left] + symbols[right])
pattern = r" ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9 \\n\\t\\r]+|[ \\n\\t\\r]+"
tokenizer = ByteTokenizer(merges, pattern)
tokens = tokenizer.encode(${text})[: model.config.context]

# A head that is off: its columns of the output matrix are zero. Layers, heads and tokens count from 0.
width = model.config.d_model // model.config.n_heads
for layer, head in [${off}]:
    model.blocks[layer].attention.output.weight.data[:, head * width : (head + 1) * width] = 0

layer, head, query = ${state.layer}, ${state.head}, ${state.query}
looks = []
model.blocks[layer].attention.register_forward_pre_hook(
    lambda attention, given: looks.append(attention.weights(*given))
)
with no_grad():
    logits = model.logits(model.features(tensor([tokens])))[:, query]
for token, weight in zip(tokens, looks[0][0, head, query, : query + 1].tolist()):
    print(f"{weight:9.3%} {tokenizer.decode([token])!r}")
print("next:")
chances, best = next_token(logits, temperature=${state.temperature}, k=${state.topK || "None"})[0].topk(5)
for token, chance in zip(best.tolist(), chances.tolist()):
    print(f"{chance:9.3%} {tokenizer.decode([token])!r}")
`;
    }
  }

  customElements.define("attention-explorer", AttentionExplorer);
})();
