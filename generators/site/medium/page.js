
// Copying: the story goes to the clipboard byte for byte, as HTML and as plain text.

const published = location.href.startsWith(bundle.site);
const here = location.protocol === "file:" || ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const copied = document.getElementById("copied");
const say = (text, kind = "") => Object.assign(copied, { textContent: text, className: kind });

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

// Medium fetches the pictures from their public addresses: each is loaded from there before anything is copied.
// On the author's own machine the site may not be published yet, so there the files beside the page are loaded.
function fault({ file, address, size }) {
  return new Promise((settle) => {
    const picture = new Image();
    picture.onload = () =>
      settle(picture.naturalWidth === size[0] ? "" : `${address} is ${picture.naturalWidth} pixels wide, not ${size[0]}`);
    picture.onerror = () => settle(`${address} cannot be loaded`);
    picture.src = here ? file : address;
  });
}

let faults = null;  // known once every picture has answered
let asking = null;
function askForPictures() {
  asking ??= Promise.all(bundle.pictures.map(fault)).then((found) => (faults = found.filter(Boolean)));
  return asking;
}
// At the first sign of a hand, so that the button finds the answer there: some browsers copy only at once.
for (const sign of ["pointermove", "pointerdown", "touchstart", "focusin"])
  addEventListener(sign, askForPictures, { once: true, passive: true });

document.getElementById("copy").addEventListener("click", async () => {
  if (faults === null) say("Loading the pictures.");
  const missing = faults ?? (await askForPictures());
  if (missing.length) {
    faults = asking = null;  // asked again at the next press
    return say(`Not copied: ${missing.join("; ")}.`, "bad");
  }
  const { html, plainer, text } = bundle.clipboard;
  const chosen = document.getElementById("plainer").checked ? plainer : html;
  try {
    await toClipboard({ "text/html": chosen, "text/plain": text });
  } catch {
    return say("The pictures are there, but the browser did not copy. Press the button once more.", "bad");
  }
  const count = bundle.pictures.length;
  if (published || !count) return say("Copied. Now paste it into a new story.", "good");
  say("Copied, but this is not the published page: deploy first, or Medium finds no pictures.", "bad");
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => toClipboard({ "text/plain": button.dataset.copy }).then(() => say("Copied.")));
}

// A picture as it is, for an editor that fetches none. The promise goes into the item: Safari asks for that.
for (const button of document.querySelectorAll("[data-picture]")) {
  button.addEventListener("click", async () => {
    const content = fetch(button.dataset.picture).then((answer) => {
      if (!answer.ok) throw new Error(`${button.dataset.picture}: ${answer.status}`);
      return answer.blob();
    });
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": content })]);
      say("The picture is copied.", "good");
    } catch (error) {
      say(`The picture is not copied (${error.message}). With a right click on it, the browser's menu can.`, "bad");
    }
  });
}

for (const choice of document.querySelectorAll("[name=width]")) {
  choice.addEventListener("change", () => document.getElementById("story").classList.toggle("narrow", choice.value === "narrow"));
}
