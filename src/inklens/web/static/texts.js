/** The catalogue: every text of the face in every language. The shell's own are here, each view brings its own. */
import { common } from './texts/common.js';
import { glossary } from './texts/glossary.js';

/** Languages, by code, in their own words; an exported page keeps one of them. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };

/** @type {Record<string, Record<string, string>>} texts by language and key */
const tables = Object.fromEntries(Object.keys(LANGUAGES).map((language) => [language, { ...common[language] }]));
addTexts('glossary', glossary);

/**
 * Put a view's texts into the catalogue, under `part.name`; what explains one of its controls under `explain.part.name`.
 * @param {string} part @param {Record<string, Record<string, string>>} texts by language and name
 */
export function addTexts(part, texts) {
  for (const language of Object.keys(LANGUAGES)) {
    for (const [name, text] of Object.entries(texts[language])) {
      const key = name.startsWith('explain.') ? name.replace('explain.', `explain.${part}.`) : `${part}.${name}`;
      tables[language][key] = text;
    }
  }
}

/**
 * Return a text with its {places} filled; a missing one shows its key, so that nobody overlooks it.
 * @param {string} language @param {string} key @param {Record<string, unknown>} [values]
 */
export function translate(language, key, values = {}) {
  const text = tables[language]?.[key] ?? tables.en?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? shown(values[name], language) : place));
}

function shown(value, language) {
  return typeof value === 'number' ? format(language, { maximumFractionDigits: 4 }).format(value) : String(value);
}

/** Formatting is slow where the format is looked up anew, and numbers move with the pen: formats are kept. */
const formats = new Map();

/** @param {string} language @param {Intl.NumberFormatOptions} options with one number, which names the format */
function format(language, options) {
  const [[name, digits]] = Object.entries(options);
  const key = `${language} ${name} ${digits}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(language, options);
    formats.set(key, found);
  }
  return found;
}

/** @param {string} language @param {number} decimals shown, zeros too */
function fixed(language, decimals) {
  return format(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** A number with so many decimals, in the language's way; the minus sign is a true one. @param {number} value @param {number} decimals @param {string} language */
export function decimal(value, decimals, language) {
  const text = fixed(language, decimals).format(value);
  if (!(value < 0)) return text;
  return /[1-9]/.test(text) ? text.replace('-', '−') : text.replace('-', ''); // what rounds to nought has no sign
}

/** A share as per cent: never 100 % or 0 % where it is not. @param {number} share @param {string} language */
export function percent(share, language) {
  const sign = language === 'de' ? '\u00a0%' : '%';
  if (share > 0.999 && share < 1) return `>\u00a0${fixed(language, 1).format(99.9)}${sign}`;
  if (share < 0.001 && share > 0) return `<\u00a0${fixed(language, 1).format(0.1)}${sign}`;
  return `${fixed(language, 1).format(100 * share)}${sign}`;
}

/** A small number as a power of ten, such as a gap. @param {number} value */
export function exponent(value) {
  return value === 0 ? '0' : value.toExponential(0).replace('-', '−');
}

/** A number with at most so many significant digits. @param {number} value @param {number} digits @param {string} language */
export function significant(value, digits, language) {
  if (!Number.isFinite(value)) return '∞';
  const text = format(language, { maximumSignificantDigits: digits }).format(value);
  return value < 0 ? text.replace('-', '−') : text;
}
