// Live models: scripts, style and weights come when a reader is near, touches the figure, or follows a link into it.
// Until then, and whenever something does not come, the figure stands there. Loaded only where there is one.
(() => {
  const loaded = new Set();
  const load = (address) =>
    new Promise((done, failed) => {
      if (loaded.has(address)) return done();
      const sheet = address.endsWith(".css"), tag = document.createElement(sheet ? "link" : "script");
      Object.assign(tag, sheet ? { rel: "stylesheet", href: address } : { src: address, async: false });
      document.head.append(Object.assign(tag, { onload: () => done(loaded.add(address)), onerror: failed }));
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
      const parts = element.getAttribute("parts").split(" ");
      const [bytes] = await Promise.all([weights(element, (got) => (bar.value = got / size)), ...parts.map(load)]);
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
