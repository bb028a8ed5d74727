/** Texts of learn. */
export const learn = {
  en: { title: 'learn' },
  de: { title: 'learn' },
};
