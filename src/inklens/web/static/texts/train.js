/** Texts of train. */
export const train = {
  en: { title: 'train' },
  de: { title: 'train' },
};
