/** Texts of fool. */
export const fool = {
  en: { title: 'fool' },
  de: { title: 'fool' },
};
