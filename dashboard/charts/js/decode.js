// Numbers off the wire: base64 of float16 or float32, little-endian.

/** @type {(text: string) => Uint8Array<ArrayBuffer>} */
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// One table of all 65,536 half floats: a lookup is several times faster than the arithmetic.
const table = (() => {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1,
      exponent = (bits >> 10) & 31,
      fraction = bits & 1023;
    if (exponent === 0) values[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[bits] = fraction ? NaN : sign * Infinity;
    else values[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return values;
})();

/** @type {(text: string) => Uint16Array} */
export const decodeHalves = (text) => {
  const raw = bytes(text);
  return new Uint16Array(raw.buffer, 0, raw.length >> 1);
};
/** @type {(text: string) => Float32Array} */
export const decodeFloats = (text) => {
  const raw = bytes(text);
  return new Float32Array(raw.buffer, 0, raw.length >> 2);
};
/** @type {(bits: number) => number} */
export const fromHalf = (bits) => table[bits];

// origin + half-float differences -> float32 values of one step
/** @type {(origin: Float32Array, halves: Uint16Array) => Float32Array} */
export const addHalves = (origin, halves) => {
  const values = new Float32Array(origin.length);
  for (let place = 0; place < values.length; place += 1) values[place] = origin[place] + table[halves[place]];
  return values;
};
