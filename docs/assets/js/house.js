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
  // Not before: the theme puts its box around a table while the page loads.
  addEventListener("load", () => {
    for (const box of document.querySelectorAll(".md-typeset :is(pre,.wide,.katex-display,.md-typeset__scrollwrap,.jp-OutputArea-output,div.arithmatex)")) watch.observe(box);
    for (const nav of document.querySelectorAll(".md-code__nav")) nav.setAttribute("role", "none");
  });
  // A font that arrives makes its text wider, and so does a narrower window.
  addEventListener("resize", () => measure([...near]));
  document.fonts.addEventListener("loadingdone", () => measure([...near]));
})();
