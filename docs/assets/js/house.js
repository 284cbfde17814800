// A measured number shows its record (the slip); what scrolls can be reached with the keyboard.
(() => {
  if (document.getElementById("slip")) return;
  const records = JSON.parse(document.getElementById("records")?.textContent || "{}");
  const order = ["Value", "Mean", "Interval", "Counted from", "Made on", "Record", "Again"];
  const slip = document.createElement("div");
  Object.assign(slip, { id: "slip", role: "tooltip", hidden: true });
  document.body.append(slip);
  let shown = null, timer = 0, wasShown = false;

  const close = () => {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    slip.hidden = true;
  };
  const line = ([label, text]) => {
    const [dt, dd] = ["dt", "dd"].map((name) => document.createElement(name));
    dt.textContent = label;
    dd.append(label === "Again" ? document.createElement("code") : "");
    (dd.firstElementChild || dd).append(text);
    return [dt, dd];
  };
  const open = (number) => {
    clearTimeout(timer);
    const record = records[number.dataset.r];
    if (!record || shown === number) return;
    close();
    shown = number;
    const list = document.createElement("dl");
    list.append(...order.filter((label) => record[label]).map((label) => [label, record[label]]).flatMap(line));
    slip.replaceChildren(list);
    slip.hidden = false;
    const box = [...number.getClientRects()].pop();
    const room = document.documentElement.clientWidth - slip.offsetWidth - 8;
    slip.style.left = Math.max(8, Math.min(box.left, room)) + scrollX + "px";
    slip.style.top = box.bottom + 3 + scrollY + "px";
    number.setAttribute("aria-describedby", "slip");
  };
  const number = (event) => event.target.closest?.("a.m");

  addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    clearTimeout(timer);
    if (number(event)) open(number(event));
    else if (shown && !event.target.closest?.("#slip")) timer = setTimeout(close, 120);
  });
  addEventListener("focusin", (event) => (number(event) ? open(number(event)) : close()));
  addEventListener("focusout", close);
  addEventListener("keydown", (event) => event.key === "Escape" && close());
  // On touch the first tap shows the slip, the second follows the link.
  addEventListener("pointerdown", (event) => {
    wasShown = event.pointerType !== "touch" || shown === number(event);
    if (!number(event) && !event.target.closest?.("#slip")) close();
  });
  addEventListener("click", (event) => {
    const touched = number(event);
    if (touched && event.detail && !wasShown && records[touched.dataset.r]) {
      event.preventDefault();
      open(touched);
    }
  });

  // Boxes near the window: to ask the others for their width would lay out the whole page at once.
  const measure = (boxes) => {
    const wide = boxes.map((box) => box.scrollWidth > box.clientWidth + 1);
    boxes.forEach((box, n) => (wide[n] ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
  };
  const near = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? near.add(target) : near.delete(target);
    measure(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target));
  }, { rootMargin: "100%" });
  for (const box of document.querySelectorAll(".md-typeset :is(pre,.wide,.katex-display,.md-typeset__scrollwrap,.jp-OutputArea-output,div.arithmatex)")) watch.observe(box);
  addEventListener("load", () => {
    for (const nav of document.querySelectorAll(".md-code__nav")) nav.setAttribute("role", "none");
  });
  addEventListener("resize", () => measure([...near]));
})();

// Live models: scripts and weights come when a reader is near, touches the figure, or follows a link into it. Until
// then, and whenever something does not come, the figure stands there.
(() => {
  const loaded = new Set();
  const script = (src) =>
    new Promise((done, failed) => {
      if (loaded.has(src)) return done();
      const tag = document.createElement("script");
      document.head.append(Object.assign(tag, { src, async: false, onload: () => done(loaded.add(src)), onerror: failed }));
    });
  const weights = async (element, tell) => {
    const answer = await fetch(element.getAttribute("weights"));
    if (!answer.ok) throw Error(answer.status);
    const reader = answer.body.getReader(), parts = [];
    for (let part, got = 0; !(part = await reader.read()).done; tell((got += part.value.length))) parts.push(part.value);
    return new Blob(parts).arrayBuffer();
  };
  // The state is the lock: an element is started once, and again only after a failure.
  const start = async (element) => {
    if (!["", "failed"].includes(element.dataset.state || "")) return;
    const note = element.querySelector(".live-note") || document.createElement("p");
    const say = (state, ...words) => {
      element.dataset.state = state;
      note.replaceChildren(...words);
    };
    Object.assign(note, { className: "live-note", role: "status" });
    element.append(note);
    const size = +element.getAttribute("bytes"), bar = document.createElement("progress");
    bar.ariaLabel = "How much of the model has arrived";
    say("loading", `Fetching the model, ${(size / 1e6).toFixed(1)} MB `, bar);
    try {
      const scripts = element.getAttribute("scripts").split(" ");
      const [bytes] = await Promise.all([weights(element, (got) => (bar.value = got / size)), ...scripts.map(script)]);
      element.start(Live.model(bytes));
      note.remove();
      element.dataset.state = "live";
    } catch (error) {
      console.info("live model:", error);
      element.querySelector(".live-body")?.remove();
      const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again" });
      again.onclick = () => start(element);
      say("failed", "The live model did not arrive, so what you see is its still picture. ", again);
    }
  };
  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && (near.unobserve(entry.target), start(entry.target))),
    { rootMargin: "400px" },
  );
  for (const element of document.querySelectorAll(".live")) {
    near.observe(element);
    for (const touch of ["pointerdown", "focusin"]) element.addEventListener(touch, () => start(element), { once: true });
    if (!location.hash.startsWith(`#${element.id}?`)) continue;
    element.scrollIntoView();
    start(element);
  }
})();
