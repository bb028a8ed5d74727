/** Texts of penalty. */
export const penalty = {
  en: { title: 'penalty' },
  de: { title: 'penalty' },
};
