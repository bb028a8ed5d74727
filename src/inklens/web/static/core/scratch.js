/** Arrays that are used again: drawings are normalised many times a second. */

const scratch = {};

/** Working memory by name, zeroed, kept from one drawing to the next: less garbage while the pen moves. */
export function room(name, Type, length) {
  if (!(scratch[name]?.length >= length)) scratch[name] = new Type(length);
  return scratch[name].subarray(0, length).fill(0);
}
