// Tells the value under the pointer, the finger or the keyboard's cursor, on every map and bar of the page.
// The page reads without it: it only adds.

const HINT = "Arrow keys move over the values; Page Up and Page Down change the picture.";

/** The shown value: beside the pointer for the eye, as a status for a screen reader. */
const bubble = Object.assign(document.createElement("div"), { id: "value", hidden: true });
bubble.setAttribute("role", "status");
document.body.append(bubble);
/** The frame round the pixel or bar that is told. */
const frame = Object.assign(document.createElement("div"), { id: "value-frame", hidden: true });
frame.setAttribute("aria-hidden", "true");
document.body.append(frame);

/** Decoded values and brightness of pictures. @type {WeakMap<Element, ArrayLike<number>>} */
const decoded = new WeakMap();

/** Return the numbers of a picture, row by row. */
function numbers(image) {
  if (!decoded.has(image)) decoded.set(image, "values" in image.dataset ? steps(values(image)) : brightness(image));
  return decoded.get(image);
}

/** Values of a picture in base64; a phone's arrangement has them in the desk's, at the same place. */
function values(image) {
  if (image.dataset.values) return image.dataset.values;
  const place = [...image.ownerSVGElement.querySelectorAll("image[data-what]:not(.over)")].indexOf(image);
  return image.closest("figure").querySelectorAll(".wide image[data-what]:not(.over)")[place].dataset.values;
}

/** Decode 16-bit numbers, little-endian, from base64. */
function steps(text) {
  const view = new DataView(Uint8Array.from(atob(text), byte => byte.charCodeAt(0)).buffer);
  return Array.from({ length: view.byteLength / 2 }, (_, k) => view.getInt16(2 * k, true));
}

/** Read a grey picture, or nothing while it is still being decoded. */
function brightness(image) {
  const [cols, rows] = size(image);
  const canvas = Object.assign(document.createElement("canvas"), { width: cols, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, cols, rows);
  const rgba = context.getImageData(0, 0, cols, rows).data;
  return Array.from({ length: rows * cols }, (_, k) => rgba[4 * k] / 255);
}

/** Columns and rows of a picture. */
function size(image) {
  return [image.width.baseVal.value, image.height.baseVal.value].map(Math.round);
}

/** Write a number as the page does: three digits, a real minus sign. */
function written(value, signed) {
  const text = Math.abs(value) >= 1000 || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
  return (signed && value > 0 ? "+" : "") + text.replace("-", "−");
}

/** Say what a pixel of a picture holds. */
function said(image, row, col) {
  const { what, words, step } = image.dataset;
  const value = numbers(image)[row * size(image)[0] + col];
  const place = `row ${row}, column ${col}`;
  if (words) return `${place}, ${what}: ${words.split("|")[value]}`;
  return `${place}: ${what} = ${step ? written(value * step, step !== "1") : written(value)}`;
}

/** Return the places of a figure in view, in reading order: pictures with values, and pixels or bars with words. */
function places(svg) {
  return [...svg.querySelectorAll("image[data-what], rect[data-said]")];
}

/** Show a value with a frame round its place, which is given in the window's pixels. */
function show(text, box) {
  bubble.textContent = text;
  bubble.hidden = frame.hidden = false;
  Object.assign(frame.style, {
    left: `${box.left + scrollX}px`, top: `${box.top + scrollY}px`, width: `${box.width}px`, height: `${box.height}px`,
  });
  const left = Math.min(Math.max(8, box.left + box.width / 2 - bubble.offsetWidth / 2), innerWidth - bubble.offsetWidth - 8);
  const above = box.top - bubble.offsetHeight - 8;
  bubble.style.left = `${Math.max(4, left) + scrollX}px`;
  bubble.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
}

function hide() {
  bubble.hidden = frame.hidden = true;
}

/** Tell one pixel of a picture. */
function tellPixel(image, row, col) {
  const [cols, rows] = size(image), box = image.getBoundingClientRect();
  const [width, height] = [box.width / cols, box.height / rows];
  show(said(image, row, col), new DOMRect(box.left + col * width, box.top + row * height, width, height));
}

/** Tell what lies under a point of the window: words of a pixel or bar first, then the picture beneath. */
function tellAt(x, y) {
  const under = document.elementsFromPoint(x, y);
  const words = under.find(element => element.matches("rect[data-said]"));
  const image = under.find(element => element.matches("image[data-what]"));
  if (words) return show(words.dataset.said, words.getBoundingClientRect());
  if (!image) return hide();
  const [cols, rows] = size(image), box = image.getBoundingClientRect();
  const at = (from, length, count) => Math.min(count - 1, Math.max(0, Math.floor(from / length * count)));
  tellPixel(image, at(y - box.top, box.height, rows), at(x - box.left, box.width, cols));
}

/** Let a focused figure be read by keyboard. */
function readByKeyboard(svg) {
  const cursor = { place: 0, row: 0, col: 0 };
  const tell = () => {
    const place = places(svg)[cursor.place];
    if (place.matches("rect")) return show(place.dataset.said, place.getBoundingClientRect());
    const [cols, rows] = size(place);
    cursor.row = (cursor.row + rows) % rows;
    cursor.col = (cursor.col + cols) % cols;
    tellPixel(place, cursor.row, cursor.col);
  };
  const next = by => {
    const count = places(svg).length;
    cursor.place = (cursor.place + by + count) % count;
  };
  svg.addEventListener("keydown", event => {
    const along = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const turn = { PageDown: 1, PageUp: -1 }[event.key];
    if (event.key === "Escape") return hide();
    if (!along && !turn) return;
    event.preventDefault();
    if (turn) next(turn);
    else if (places(svg)[cursor.place].matches("rect")) next(along[0] + along[1]);
    else [cursor.row, cursor.col] = [cursor.row + along[0], cursor.col + along[1]];
    tell();
  });
  svg.addEventListener("blur", hide);
}

/** Put a button under the mistakes that shows both maps through the ink of the image, and back. */
function layOver(figure) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Lay the images over the maps" });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(pressed));
    figure.querySelectorAll("image.over").forEach(over => over.remove());
    if (pressed) figure.querySelectorAll("svg").forEach(overlay);
  });
  figure.querySelector("figcaption").before(button);
}

/** Multiply each map by the last image before it: white ink lets the map through, black paper hides it. */
function overlay(svg) {
  let ink = null;
  for (const image of svg.querySelectorAll("image[data-what]")) {
    if (!("values" in image.dataset)) ink = image;
    else if (ink) {
      const over = ink.cloneNode();
      delete over.dataset.what;
      over.classList.add("over");
      over.setAttribute("transform", image.getAttribute("transform"));
      image.after(over);
    }
  }
}

for (const svg of document.querySelectorAll("figure svg")) {
  for (const title of svg.querySelectorAll("rect > title")) {
    title.parentElement.dataset.said = title.textContent;
    title.remove(); // else the browser shows it a second time
  }
  if (!places(svg).length) continue;
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-description", HINT);
  readByKeyboard(svg);
}
document.querySelectorAll("#figure-mistakes").forEach(layOver);
addEventListener("pointermove", event => event.pointerType === "mouse" && tellAt(event.clientX, event.clientY));
addEventListener("click", event => tellAt(event.clientX, event.clientY));
addEventListener("keydown", event => event.key === "Escape" && hide());
