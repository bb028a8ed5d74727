/** Texts of glossary. */
export const glossary = {
  en: { title: 'glossary' },
  de: { title: 'glossary' },
};
