/** What the class's two pages say, in each language. */
const TEXTS = {
  en: {
    draw: 'Draw a digit',
    padHelp: 'A pad to draw on. Arrow keys move, Space puts the pen down or lifts it.',
    hint: 'draw here',
    undo: 'Undo', clear: 'Clear',
    name: 'Name or nickname (optional)',
    meant: 'What is it?',
    guess: 'What will the model say? (optional)',
    send: 'Send to the wall', sending: 'Sending …',
    needInk: 'Draw something first.', needLabel: 'Say what it is.',
    reads: 'The model reads', meantIt: 'You meant {meant}.', expected: 'You expected {guess}: {verdict}.',
    right: 'right', wrong: 'not this time',
    unlike: 'It looks unlike the digits that the model knows.',
    again: 'Draw another', takeBack: 'Take it off the wall', takenBack: 'It is off the wall.',
    lost: 'The class does not answer. Is it still open?',
    penDown: 'pen down', penUp: 'pen up',
    joinAt: 'Join with your phone, in this room’s network',
    students: 'students', digits: 'digits', read: 'read as meant', guessed: 'guesses right',
    nobody: 'Nobody has drawn yet. Open the address above on a phone.',
    confusion: 'What is taken for what', confusionHelp: 'rows: meant, columns: read',
    whose: 'Whose {meant} is a {read}?', noMistakes: 'No mistakes yet',
    hardest: 'The hardest so far',
    predict: 'Predict, then test', predictHelp: 'students by share of right guesses',
    student: 'student {n}', tile: '{meant}, read as {read}, by {who}', hide: 'Hide it', hidden: 'hidden',
    closed: 'The class is closed; the page and the digits are in the teacher’s folder.',
  },
  de: {
    draw: 'Zeichne eine Ziffer',
    padHelp: 'Ein Feld zum Zeichnen. Pfeiltasten bewegen, die Leertaste setzt den Stift auf oder hebt ihn.',
    hint: 'hier zeichnen',
    undo: 'Zurück', clear: 'Leeren',
    name: 'Name oder Spitzname (wenn du magst)',
    meant: 'Was ist es?',
    guess: 'Was wird das Modell sagen? (wenn du magst)',
    send: 'An die Wand', sending: 'Wird gesendet …',
    needInk: 'Zeichne zuerst etwas.', needLabel: 'Sag, was es ist.',
    reads: 'Das Modell liest', meantIt: 'Gemeint war {meant}.', expected: 'Erwartet hast du {guess}: {verdict}.',
    right: 'richtig', wrong: 'diesmal nicht',
    unlike: 'Sie sieht anders aus als die Ziffern, die das Modell kennt.',
    again: 'Noch eine', takeBack: 'Von der Wand nehmen', takenBack: 'Sie ist nicht mehr an der Wand.',
    lost: 'Die Klasse antwortet nicht. Ist sie noch offen?',
    penDown: 'Stift auf', penUp: 'Stift ab',
    joinAt: 'Mitmachen mit dem Handy, im Netz dieses Raums',
    students: 'Lernende', digits: 'Ziffern', read: 'gelesen wie gemeint', guessed: 'richtig vorausgesagt',
    nobody: 'Noch hat niemand gezeichnet. Öffne die Adresse oben auf einem Handy.',
    confusion: 'Was wofür gehalten wird', confusionHelp: 'Zeilen: gemeint, Spalten: gelesen',
    whose: 'Wessen {meant} ist eine {read}?', noMistakes: 'Noch kein Fehler',
    hardest: 'Bisher am schwersten',
    predict: 'Erst sagen, dann sehen', predictHelp: 'Lernende nach Anteil richtiger Voraussagen',
    student: 'Nr. {n}', tile: '{meant}, gelesen als {read}, von {who}', hide: 'Verbergen', hidden: 'verborgen',
    closed: 'Die Klasse ist zu; Seite und Ziffern liegen im Ordner der Lehrkraft.',
  },
};

/** Return what translates; the document's language becomes the reader's. @returns {(key: string, places?: Record<string, unknown>) => string} */
export function translator() {
  const spoken = navigator.language.slice(0, 2);
  const language = spoken in TEXTS ? spoken : 'en';
  document.documentElement.lang = language;
  return (key, places = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(places[name]));
}
