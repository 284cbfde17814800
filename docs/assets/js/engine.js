// Live models: a GPT-2 or a Transformer of this project, run in the page from one file of weights.
//
// Live.model(arrayBuffer) reads the file. A model has kind, config and page as the file says; encode, decode, pieces;
// gates and setGate, 1 for a head as trained and 0 for one switched off; fork, for another with gates of its own; and
//   GPT-2:        run(ids)                 -> length, logits, attention, query, key, value
//   Transformer:  run(source, target)      -> length, logits, encoder, self, cross
//                 translate(source, start, end, longest) -> tokens, and what run returns
// Logits are one array, a row for each position; the others are functions of layer and head.
//
// A run keeps the rows of all positions and redoes those from the first changed token on. No row is written twice, so
// what an earlier run returned stays as it was. Numbers are stored in single precision and summed in double.
globalThis.Live = (() => {
  const fail = (message) => {
    throw new Error(message);
  };

  // The file: safetensors, matrices as int8 with one scale a row ------------------------------------------------

  const KEYS = ["vocab_size", "d_model", "n_heads", "d_ff", "n_layers", "context", "epsilon"];

  const sameKeys = (what, object, keys) => {
    const found = Object.keys(object || fail(`The file has no ${what}.`));
    for (const key of keys) found.includes(key) || fail(`The ${what} lacks "${key}".`);
    for (const key of found) keys.includes(key) || fail(`The ${what} has "${key}", which this page does not know.`);
  };

  // What the file says, and a function that takes a tensor out of it.
  function open(buffer) {
    const short = (from, to) => to <= buffer.byteLength || fail(`The file is cut off: ${to} bytes are needed, ${buffer.byteLength} came.`);
    short(0, 8);
    const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
    short(8, start);
    let header, live;
    try {
      header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
      live = JSON.parse(header.__metadata__.live);
    } catch {
      fail("This is no file of a live model.");
    }
    delete header.__metadata__;
    const one = (name, type, shape) => {
      const entry = header[name] || fail(`The tensor ${name} is missing.`);
      delete header[name];
      if (entry.dtype !== type || String(entry.shape) !== String(shape))
        fail(`The tensor ${name} is ${entry.dtype} [${entry.shape}], not ${type} [${shape}].`);
      const [from, to] = entry.data_offsets.map((offset) => start + offset);
      short(from, to);
      const size = shape.reduce((a, b) => a * b, type === "I8" ? 1 : 4);
      if (to - from !== size) fail(`The tensor ${name} has ${to - from} bytes, not ${size}.`);
      return new (type === "I8" ? Int8Array : Float32Array)(buffer.slice(from, to)); // a copy: it may lie askew
    };
    const take = (name, ...shape) => {
      if (shape.length < 2) return one(name, "F32", shape);
      const scale = one(name + ".scale", "F32", shape.slice(0, 1));
      const whole = one(name, "I8", shape), values = new Float32Array(whole.length);
      for (let at = 0; at < values.length; at++) values[at] = whole[at] * scale[Math.floor(at / shape[1])];
      return values;
    };
    const done = () => Object.keys(header).forEach((name) => fail(`The tensor ${name} belongs to no part of the model.`));
    return { live, take, done };
  }

  // Text to tokens: byte pair encoding ----------------------------------------------------------------------------

  // Characters are listed, for \s and \p{L} are not the same set in every language and version.
  const SPLIT = / ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9 \n\t\r]+|[ \n\t\r]+/gu;
  const asBytes = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  const asText = (bytes, fatal = false) =>
    new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  const CHARACTER = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g;
  const readable = (bytes) =>
    bytes.replace(CHARACTER, (part) => {
      try {
        return asText(part, true);
      } catch {
        return part.replace(/[^]/g, (byte) => "\\x" + byte.charCodeAt(0).toString(16));
      }
    });

  // The lowest merge first, wherever its pair stands, from left to right; then the next.
  function merged(symbols, rank) {
    const of = (at) => rank.get(`${symbols[at].length} ${symbols[at]}${symbols[at + 1]}`) ?? Infinity;
    for (;;) {
      let best = Infinity;
      for (let at = 0; at + 1 < symbols.length; at++) best = Math.min(best, of(at));
      if (best === Infinity) return symbols;
      for (let at = 0; at + 1 < symbols.length; at++)
        if (of(at) === best) symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
    }
  }

  // A symbol is a string: of characters, or of bytes as U+0000 to U+00FF.
  function tokenizer(about, size) {
    const bytes = about?.kind === "bytes";
    if (!bytes && about?.kind !== "characters") fail(`The tokenizer is of a kind that this page does not know: ${about?.kind}.`);
    sameKeys("tokenizer", about, bytes ? ["kind", "merges"] : ["kind", "merges", "symbols"]);
    const symbols = bytes ? Array.from({ length: 256 }, (_, value) => String.fromCharCode(value)) : about.symbols;
    const merges = about.merges.map(([left, right]) => {
      if (!bytes) return [left, right];
      const pair = [symbols[left], symbols[right]];
      if (pair.includes(undefined)) fail(`The tokenizer merges ${left} and ${right} before both are there.`);
      symbols.push(pair[0] + pair[1]);
      return pair;
    });
    const end = bytes ? symbols.push("<|endoftext|>") - 1 : -1;
    if (symbols.length !== size) fail(`The tokenizer has ${symbols.length} tokens, and the model ${size}.`);
    const number = new Map();
    symbols.forEach((symbol, id) => id === end || number.has(symbol) || number.set(symbol, id));
    const rank = new Map();
    merges.forEach(([left, right], at) => rank.set(`${left.length} ${left}${right}`, at));
    const known = new Map(); // pieces recur
    const piece = (text) => {
      if (!known.has(text)) {
        const start = (bytes ? asBytes(text) : [...text]).filter((symbol) => number.has(symbol)); // drops unknown ones
        known.set(text, merged(start, rank).map((symbol) => number.get(symbol)));
      }
      return known.get(text);
    };
    const symbol = (id) => symbols[id] ?? fail(`There is no token ${id}.`);
    return {
      encode: (text) => (bytes ? text.match(SPLIT) || [] : text.split(/(?= )/)).flatMap(piece),
      decode: (ids) => (bytes ? asText : String)(Array.from(ids, symbol).join("")),
      pieces: (ids) => Array.from(ids, bytes ? (id) => readable(symbol(id)) : symbol),
    };
  }

  // The parts of both networks; x holds rows of features, one row a position -------------------------------------

  // x W^T + b, two rows by four columns at a time; the order of each sum does not depend on its neighbours.
  function linear(x, { weight, bias, rows, cols }) {
    const n = x.length / cols;
    const y = new Float32Array(n * rows);
    for (let column = 0; column < rows; column += 4) {
      const o = Math.min(column, rows - 4); // the last four may overlap
      for (let i = 0; i < n; i += 2) {
        const other = Math.min(i + 1, n - 1); // a lone row is its own partner
        const step = (other - i) * cols;
        let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        for (let p = i * cols, q = o * cols, end = p + cols; p < end; p++, q++) {
          const u = x[p], v = x[p + step];
          const w0 = weight[q], w1 = weight[q + cols], w2 = weight[q + 2 * cols], w3 = weight[q + 3 * cols];
          a += u * w0; b += u * w1; c += u * w2; d += u * w3;
          e += v * w0; f += v * w1; g += v * w2; h += v * w3;
        }
        const above = i * rows + o, below = other * rows + o;
        const b0 = bias[o], b1 = bias[o + 1], b2 = bias[o + 2], b3 = bias[o + 3];
        y[above] = a + b0; y[above + 1] = b + b1; y[above + 2] = c + b2; y[above + 3] = d + b3;
        y[below] = e + b0; y[below + 1] = f + b1; y[below + 2] = g + b2; y[below + 3] = h + b3;
      }
    }
    return y;
  }

  function normalised(x, { gain, bias, epsilon }) {
    const y = new Float32Array(x.length), width = gain.length;
    for (let row = 0; row < x.length; row += width) {
      let mean = 0, variance = 0;
      for (let j = 0; j < width; j++) mean += x[row + j];
      mean /= width;
      for (let j = 0; j < width; j++) variance += (x[row + j] - mean) * (x[row + j] - mean);
      const sigma = Math.sqrt(variance / width + epsilon);
      for (let j = 0; j < width; j++) y[row + j] = ((x[row + j] - mean) / sigma) * gain[j] + bias[j];
    }
    return y;
  }

  const sum = (x, change) => x.map((value, at) => value + change[at]);
  const relu = (x) => x.map((value) => Math.max(0, value));
  const SLOPE = Math.sqrt(2 / Math.PI);
  const gelu = (x) => x.map((value) => (value / 2) * (1 + Math.tanh(SLOPE * (value + 0.044715 * value * value * value))));

  const repeat = (times, make) => Array.from({ length: times }, (_, index) => make(index));
  const rowsOf = (x, width) => repeat(x.length / width, (row) => x.subarray(row * width, (row + 1) * width));

  // What attention keeps, a row for each position; a row of weights holds those of all heads.
  const nothing = ({ n_layers }) => repeat(n_layers, () => ({ query: [], key: [], value: [], weights: [] }));
  const cut = (kept, length) =>
    kept.map((part) => Object.fromEntries(Object.entries(part).map(([name, rows]) => [name, rows.slice(0, length)])));

  function project(x, attention, kept, names = ["query", "key", "value"]) {
    for (const name of names) kept[name].push(...rowsOf(linear(x, attention[name]), attention[name].rows));
  }

  // Each new query looks at all keys, or (causal) at those up to its own place; returns what the heads make of it.
  function look(kept, gates, causal, source = kept) {
    const first = kept.weights.length, width = kept.query[first].length, size = width / gates.length;
    const mixed = new Float32Array((kept.query.length - first) * width);
    for (let at = first; at < kept.query.length; at++) {
      const query = kept.query[at], seen = causal ? at + 1 : source.key.length;
      const weights = new Float32Array(gates.length * seen), scores = new Float64Array(seen), mixture = new Float64Array(size);
      for (let head = 0; head < gates.length; head++) {
        const from = head * size;
        let most = -Infinity, total = 0;
        for (let s = 0; s < seen; s++) {
          const key = source.key[s];
          let score = 0;
          for (let j = from; j < from + size; j++) score += query[j] * key[j];
          scores[s] = score / Math.sqrt(size);
          most = Math.max(most, scores[s]);
        }
        for (let s = 0; s < seen; s++) total += scores[s] = Math.exp(scores[s] - most);
        mixture.fill(0);
        for (let s = 0; s < seen; s++) {
          const weight = (weights[head * seen + s] = scores[s] / total), value = source.value[s];
          for (let j = 0; j < size; j++) mixture[j] += weight * value[from + j];
        }
        for (let j = 0; j < size; j++) mixed[(at - first) * width + from + j] = gates[head] * mixture[j];
      }
      kept.weights.push(weights);
    }
    return mixed;
  }

  // How weights are called in the file, and what shape they have.
  function parts(take, { d_model: D, d_ff: F, epsilon }, biased) {
    const layer = (name, rows, cols, bias = true) => ({
      weight: take(`${name}.weight`, rows, cols), bias: bias ? take(`${name}.bias`, rows) : new Float32Array(rows), rows, cols,
    });
    return {
      norm: (name) => ({ gain: take(`${name}.gain`, D), bias: take(`${name}.bias`, D), epsilon }),
      attention: (name) =>
        Object.fromEntries(["query", "key", "value", "output"].map((part) => [part, layer(`${name}.${part}`, D, D, biased)])),
      feedForward: (name) => ({ expand: layer(`${name}.feed_forward.expand`, F, D), contract: layer(`${name}.feed_forward.contract`, D, F) }),
      matrix: (name, rows) => layer(name, rows, D, false),
    };
  }

  // What reader and interface get ---------------------------------------------------------------------------------

  const below = (limit, value) => Number.isInteger(value) && value >= 0 && value < limit;
  function checked(ids, { vocab_size, context }) {
    if (ids.length > context) fail(`${ids.length} tokens are more than the ${context} that the model can read.`);
    for (const id of ids) below(vocab_size, id) || fail(`There is no token ${id}.`);
    return Array.from(ids);
  }
  const sameStart = (a, b) => {
    let length = 0;
    while (length < a.length && length < b.length && a[length] === b[length]) length++;
    return length;
  };
  const equal = (a, b) => a.length === b.length && sameStart(a, b) === a.length;

  const joined = (rows, width) => {
    const whole = new Float32Array(rows.length * width);
    rows.forEach((row, at) => whole.set(row, at * width));
    return whole;
  };
  const place = ({ n_layers, n_heads }, layer, head) =>
    (below(n_layers, layer) && below(n_heads, head)) || fail(`There is no head ${head} in layer ${layer}.`);
  const setIn = (gates, config, layer, head, value) => {
    place(config, layer, head);
    if (!(value >= 0 && value <= 1)) fail(`A head can be set from 0 to 1, not to ${value}.`);
    gates[layer * config.n_heads + head] = value;
  };
  const ones = ({ n_layers, n_heads }) => new Float32Array(n_layers * n_heads).fill(1);

  // One head's part of what was kept; weights with zeros where it saw nothing.
  const reader = (kept, config, name, columns) => (layer, head) => {
    place(config, layer, head);
    const rows = kept[layer][name].map((row) => {
      const size = row.length / config.n_heads;
      return row.subarray(head * size, (head + 1) * size);
    });
    return joined(rows, columns);
  };

  // GPT-2: norms at the entrance, learned positions ---------------------------------------------------------------

  function readGPT2(take, config) {
    const part = parts(take, config, true);
    const tokens = part.matrix("tokens", config.vocab_size);
    const { weight: positions } = part.matrix("positions", config.context);
    const blocks = repeat(config.n_layers, (layer) => ({
      normAttention: part.norm(`blocks.${layer}.norm_attention`),
      attention: part.attention(`blocks.${layer}.attention`),
      normFeedForward: part.norm(`blocks.${layer}.norm_feed_forward`),
      feedForward: part.feedForward(`blocks.${layer}`),
    }));
    return { config, tokens, positions, blocks, norm: part.norm("norm") };
  }

  // Adds the rows of the positions from `first` on to what is kept; returns their logits.
  function writeGPT2(net, gates, ids, first, kept) {
    const { d_model: D, n_heads } = net.config, gatesOf = rowsOf(gates, n_heads);
    let x = new Float32Array((ids.length - first) * D);
    for (let at = 0; at < x.length; at++) {
      const row = first + Math.floor(at / D);
      x[at] = net.tokens.weight[ids[row] * D + (at % D)] + net.positions[row * D + (at % D)];
    }
    net.blocks.forEach(({ normAttention, attention, normFeedForward, feedForward }, layer) => {
      project(normalised(x, normAttention), attention, kept[layer]);
      x = sum(x, linear(look(kept[layer], gatesOf[layer], true), attention.output));
      x = sum(x, linear(gelu(linear(normalised(x, normFeedForward), feedForward.expand)), feedForward.contract));
    });
    return rowsOf(linear(normalised(x, net.norm), net.tokens), net.tokens.rows);
  }

  function gpt2(net, shared, gates = ones(net.config), past = { ids: [], gates: [], kept: nothing(net.config), logits: [] }) {
    const { config } = net;
    return {
      ...shared,
      gates,
      setGate: (layer, head, value) => setIn(gates, config, layer, head, value),
      fork: () => gpt2(net, shared, gates.slice(), past),
      run(given) {
        const ids = checked(given, config);
        const length = ids.length, first = equal(gates, past.gates) ? sameStart(past.ids, ids) : 0;
        const kept = cut(past.kept, first), logits = past.logits.slice(0, first);
        if (first < length) logits.push(...writeGPT2(net, gates, ids, first, kept));
        past = { ids, gates: gates.slice(), kept, logits };
        const read = (name, columns = config.d_model / config.n_heads) => reader(kept, config, name, columns);
        return {
          length,
          logits: joined(logits, config.vocab_size),
          attention: read("weights", length), query: read("query"), key: read("key"), value: read("value"),
        };
      },
    };
  }

  // The Transformer: norms after the sum, sines and cosines as positions ------------------------------------------

  function readTransformer(take, config) {
    const part = parts(take, config, false);
    const block = (name, first) => ({
      self: part.attention(`${name}.self_attention`),
      normSelf: part.norm(`${name}.${first}.norm`),
      feedForward: part.feedForward(name),
      normFeedForward: part.norm(`${name}.add_feed_forward.norm`),
    });
    return {
      config,
      embedding: part.matrix("embedding", config.vocab_size),
      encoder: repeat(config.n_layers, (layer) => block(`encoder.${layer}`, "add_attention")),
      decoder: repeat(config.n_layers, (layer) => ({
        ...block(`decoder.${layer}`, "add_self"),
        cross: part.attention(`decoder.${layer}.cross_attention`),
        normCross: part.norm(`decoder.${layer}.add_cross.norm`),
      })),
    };
  }

  function embedded(ids, first, { embedding, config: { d_model: D } }) {
    const x = new Float32Array((ids.length - first) * D);
    for (let at = 0; at < x.length; at++) {
      const row = first + Math.floor(at / D), j = at % D;
      const angle = row / 10000 ** ((j - (j % 2)) / D);
      x[at] = embedding.weight[ids[row] * D + j] * Math.sqrt(D) + (j % 2 ? Math.cos(angle) : Math.sin(angle));
    }
    return x;
  }

  const lookedAround = (x, { self, normSelf }, kept, gates, causal) => {
    project(x, self, kept);
    return normalised(sum(x, linear(look(kept, gates, causal), self.output)), normSelf);
  };
  const fed = (x, { feedForward, normFeedForward }) =>
    normalised(sum(x, linear(relu(linear(x, feedForward.expand)), feedForward.contract)), normFeedForward);

  // What the encoder's heads did, and the keys and values that it offers to each layer of the decoder.
  function readSource(net, gates, ids) {
    const kept = nothing(net.config), memory = nothing(net.config), gatesOf = rowsOf(gates, net.config.n_heads);
    let x = embedded(ids, 0, net);
    net.encoder.forEach((block, layer) => {
      x = fed(lookedAround(x, block, kept[layer], gatesOf[layer], false), block);
    });
    net.decoder.forEach((block, layer) => project(x, block.cross, memory[layer], ["key", "value"]));
    return { ids, gates: gates.slice(), kept, memory };
  }

  function writeTarget(net, gates, source, ids, first, { self, cross }) {
    const [own, offered] = [gates.self, gates.cross].map((part) => rowsOf(part, net.config.n_heads));
    let x = embedded(ids, first, net);
    net.decoder.forEach((block, layer) => {
      x = lookedAround(x, block, self[layer], own[layer], true);
      project(x, block.cross, cross[layer], ["query"]);
      const heads = look(cross[layer], offered[layer], false, source.memory[layer]);
      x = fed(normalised(sum(x, linear(heads, block.cross.output)), block.normCross), block);
    });
    return rowsOf(linear(x, net.embedding), net.embedding.rows);
  }

  function transformer(net, shared, gates, source, past) {
    const { config } = net;
    gates ??= { encoder: ones(config), self: ones(config), cross: ones(config) };
    past ??= { source, ids: [], gates: [], self: nothing(config), cross: nothing(config), logits: [] };
    // Bring `past` to these tokens.
    const read = (sourceIds, targetIds) => {
      const asked = checked(sourceIds, config), ids = checked(targetIds, config);
      if (!asked.length) fail("There is nothing to translate.");
      if (!source || !equal(source.ids, asked) || !equal(source.gates, gates.encoder)) source = readSource(net, gates.encoder, asked);
      const now = [...gates.self, ...gates.cross];
      const first = past.source === source && equal(past.gates, now) ? sameStart(past.ids, ids) : 0;
      const self = cut(past.self, first), cross = cut(past.cross, first), logits = past.logits.slice(0, first);
      if (first < ids.length) logits.push(...writeTarget(net, gates, source, ids, first, { self, cross }));
      past = { source, ids, gates: now, self, cross, logits };
    };
    const result = () => ({
      length: past.ids.length,
      logits: joined(past.logits, config.vocab_size),
      cross: reader(past.cross, config, "weights", source.ids.length),
      self: reader(past.self, config, "weights", past.ids.length),
      encoder: reader(source.kept, config, "weights", source.ids.length),
    });
    return {
      ...shared,
      gates,
      setGate: (part, layer, head, value) =>
        setIn(gates[part] || fail(`There is no attention called ${part}.`), config, layer, head, value),
      fork: () => transformer(net, shared, structuredClone(gates), source, past),
      run(sourceIds, targetIds) {
        read(sourceIds, targetIds);
        return result();
      },
      // The likeliest token each time. Row t of the result is the one that wrote tokens[t].
      translate(sourceIds, startId, endId, maxLength) {
        if (!(maxLength >= 1)) fail("A translation has at least one token.");
        const tokens = [];
        do {
          read(sourceIds, [startId, ...tokens]);
          const last = past.logits[past.logits.length - 1];
          tokens.push(last.indexOf(Math.max(...last)));
        } while (tokens[tokens.length - 1] !== endId && tokens.length < maxLength);
        return { tokens, ...result() };
      },
    };
  }

  // From a file to a model ----------------------------------------------------------------------------------------

  const KINDS = { gpt2: [readGPT2, gpt2], transformer: [readTransformer, transformer] };

  function model(buffer) {
    const { live, take, done } = open(buffer);
    sameKeys("description", live, ["kind", "config", "tokenizer", "page"]);
    const { kind, config, page } = live;
    if (!Object.hasOwn(KINDS, kind)) fail(`The model is of a kind that this page does not know: ${kind}.`);
    sameKeys("config", config, KEYS);
    for (const key of KEYS)
      if (!(config[key] > 0) || (key !== "epsilon" && !Number.isInteger(config[key]))) fail(`The config has a ${key} of ${config[key]}.`);
    for (const key of ["vocab_size", "d_model", "d_ff"]) if (config[key] < 4) fail(`The config has a ${key} below 4.`);
    if (config.d_model % config.n_heads) fail(`${config.n_heads} heads cannot share a d_model of ${config.d_model}.`);
    const [read, start] = KINDS[kind];
    const net = read(take, config);
    done();
    return start(net, { kind, config, page, ...tokenizer(live.tokenizer, config.vocab_size) });
  }

  // Drawing the next token ----------------------------------------------------------------------------------------

  // Temperature, the k likeliest (and ties), then softmax; temperature 0 leaves the likeliest.
  function probabilities(logits, { temperature = 1, topK = logits.length } = {}) {
    if (!(temperature >= 0)) fail(`A temperature of ${temperature} is below 0.`);
    if (!(topK >= 1)) fail(`Of the ${topK} likeliest tokens none could be drawn.`);
    const ordered = Float32Array.from(logits).sort().reverse();
    const most = ordered[0], least = ordered[Math.min(topK, ordered.length) - 1];
    if (temperature === 0) return Float32Array.from(logits, (_, id) => +(id === logits.indexOf(most)));
    const parts = Float64Array.from(logits, (logit) => (logit < least ? 0 : Math.exp((logit - most) / temperature)));
    const total = parts.reduce((a, b) => a + b);
    return Float32Array.from(parts, (part) => part / total);
  }

  function sample(probabilities, random) {
    let left = random(), last = 0;
    for (let id = 0; id < probabilities.length; id++) {
      if (!probabilities[id]) continue;
      last = id;
      if ((left -= probabilities[id]) < 0) break;
    }
    return last; // or what rounding left over
  }

  // mulberry32, in [0, 1): the same seed gives every reader the same numbers.
  const random = (seed) => () => {
    let t = (seed = (seed + 0x6d2b79f5) | 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  const entropy = (row) => row.reduce((bits, p) => (p > 0 ? bits - p * Math.log2(p) : bits), 0);

  return { model, probabilities, sample, random, entropy };
})();
