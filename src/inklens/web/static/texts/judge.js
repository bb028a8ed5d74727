/** Texts of judge. */
export const judge = {
  en: { title: 'judge' },
  de: { title: 'judge' },
};
