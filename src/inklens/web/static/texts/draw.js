/** Texts of Draw. */
export const draw = {
  en: {
    title: 'Draw a digit', lead: 'Write on the pad, or bring a picture. The model answers while the pen moves.',
    'steps.title': 'What the model is given', 'steps.text': 'MNIST’s makers cropped each digit, shrank it into a box of 20 x 20 pixels and laid its centre of mass in the middle of 28 x 28. The same is done to your drawing.', 'steps.held': 'This picture is held: it goes to the model as it is.',
    fill: 'Size of the box', 'fill.is': '{fill} of 28 pixels', centre: 'Lay the centre of mass in the middle',
    'name.ink': 'Ink', 'name.digit': 'Cropped', 'name.pen': 'Pen', 'name.square': 'Boxed', 'name.frame': 'Frame',
    'step.ink': 'What was drawn.', 'step.digit': 'Cropped to the digit.', 'step.pen': 'The pen’s width, as MNIST has it.', 'step.square': 'Shrunk into the box, proportions kept.', 'step.frame': 'What the model sees.', 'step.skipped': 'Not needed for this picture.',
    then: 'If it ended here: {label}, {share}',
    'bring.title': 'Bring a picture', 'bring.text': 'Drop a photo of handwriting here, or paste one. Shadows, ruled lines and whole pages are fine.', 'bring.text.page': 'Drop a picture of one digit here, or paste one: dark ink on plain paper. It stays in this page.',
    'bring.file': 'Choose a file', 'bring.camera': 'Use the camera', 'bring.save': 'Save the drawing', 'bring.working': 'Looking for digits…',
    'found.one': 'One digit was found; it is on the pad.', 'found.many': '{n} digits were found; choose one.', 'found.name': 'digit {number}',
    'camera.take': 'Take the picture', 'camera.stop': 'Stop the camera', 'camera.none': 'The camera is not available: allow it in the browser, or choose a file.',
    'error.large': 'This file is larger than 40 MB; a photo of one digit needs far less.', 'error.decode': 'This is no picture that the browser can open; try a JPEG or PNG.', 'error.blank': 'No ink was found: photograph a digit, dark on plain paper.',
  },
  de: {
    title: 'Zeichne eine Ziffer', lead: 'Schreib auf die Fläche oder bring ein Bild mit. Das Modell antwortet, während der Stift sich bewegt.',
    'steps.title': 'Was das Modell bekommt', 'steps.text': 'Für MNIST wurde jede Ziffer zugeschnitten, in einen Kasten von 20 x 20 Pixeln verkleinert und mit dem Schwerpunkt in die Mitte von 28 x 28 gelegt. Dasselbe geschieht mit deiner Zeichnung.', 'steps.held': 'Dieses Bild ist festgehalten: Es geht so an das Modell, wie es ist.',
    fill: 'Größe des Kastens', 'fill.is': '{fill} von 28 Pixeln', centre: 'Den Schwerpunkt in die Mitte legen',
    'name.ink': 'Tinte', 'name.digit': 'Zugeschnitten', 'name.pen': 'Stift', 'name.square': 'Im Kasten', 'name.frame': 'Bild',
    'step.ink': 'Was gezeichnet wurde.', 'step.digit': 'Auf die Ziffer zugeschnitten.', 'step.pen': 'Die Breite des Stifts, wie MNIST sie hat.', 'step.square': 'In den Kasten verkleinert, Seitenverhältnis erhalten.', 'step.frame': 'Was das Modell sieht.', 'step.skipped': 'Für dieses Bild nicht nötig.',
    then: 'Wäre hier Schluss: {label}, {share}',
    'bring.title': 'Ein Bild mitbringen', 'bring.text': 'Zieh ein Foto von Handschrift hierher oder füg eines ein. Schatten, Linien und ganze Seiten sind in Ordnung.', 'bring.text.page': 'Zieh ein Bild einer Ziffer hierher oder füg eines ein: dunkle Tinte auf schlichtem Papier. Es bleibt in dieser Seite.',
    'bring.file': 'Datei wählen', 'bring.camera': 'Kamera benutzen', 'bring.save': 'Zeichnung speichern', 'bring.working': 'Suche nach Ziffern …',
    'found.one': 'Eine Ziffer wurde gefunden; sie liegt auf der Fläche.', 'found.many': '{n} Ziffern wurden gefunden; wähle eine.', 'found.name': 'Ziffer {number}',
    'camera.take': 'Bild aufnehmen', 'camera.stop': 'Kamera ausschalten', 'camera.none': 'Die Kamera ist nicht verfügbar: Erlaube sie im Browser oder wähle eine Datei.',
    'error.large': 'Diese Datei ist größer als 40 MB; ein Foto einer Ziffer braucht viel weniger.', 'error.decode': 'Das ist kein Bild, das der Browser öffnen kann; versuch es mit JPEG oder PNG.', 'error.blank': 'Keine Tinte gefunden: Fotografiere eine Ziffer, dunkel auf schlichtem Papier.',
  },
};
