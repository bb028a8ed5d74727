/** Texts of what another model of the studio can do. */
export const others = {
  en: {
    use: 'Put “{name}” on the pad', coming: 'Looking for one that can; what is still being fitted will be offered here.', train: 'Fit one in Train', 'explain.model': 'A model of the studio that can do what the one on the pad cannot. Choosing it puts it there; what you have drawn stays.',
  },
  de: {
    use: '„{name}“ auf die Zeichenfläche legen', coming: 'Gesucht wird eines, das es kann; was noch angepasst wird, steht dann hier.', train: 'In Trainieren eines anpassen', 'explain.model': 'Ein Modell des Studios, das kann, was das auf der Zeichenfläche nicht kann. Es kommt dorthin, und deine Zeichnung bleibt.',
  },
};
