/** What an exported page holds: base85 of gzip. */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%.()*+-;:=,?@^_`{|}~';
const GROUP = 5; // digits for four bytes

function bytesOf(text) {
  const value = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i += 1) value[DIGITS.charCodeAt(i)] = i;
  const lacking = (GROUP - (text.length % GROUP)) % GROUP;
  const digits = text + '~'.repeat(lacking);
  const bytes = new DataView(new ArrayBuffer((digits.length / GROUP) * 4));
  for (let i = 0; i < digits.length; i += GROUP) {
    let number = 0;
    for (let k = 0; k < GROUP; k += 1) number = number * 85 + value[digits.charCodeAt(i + k)];
    bytes.setUint32((i / GROUP) * 4, number);
  }
  return bytes.buffer.slice(0, bytes.byteLength - lacking);
}

/** Unpack the text of an element. @param {string} id @returns {Promise<ArrayBuffer>} */
export function unpacked(id) {
  return inflated(document.getElementById(id).textContent);
}

/** Unpack a text. @param {string} text @returns {Promise<ArrayBuffer>} */
export function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}
