/** The words of the field. The English ones are those of `inklens.pages.glossary`; a test compares them. */

/** Keys of all words. */
export const TERMS = [
  'certificate', 'coefficient', 'confusion', 'evidence', 'gap', 'intercept', 'L1', 'L2', 'loss', 'logodds', 'bound', 'objective', 'regularisation', 'path', 'separable', 'softmax', 'regression', 'tolerance',
];

export const glossary = {
  en: {
    certificate: 'certificate', 'certificate.is': 'A proof that comes with a fit: a lower bound on the objective. Whatever the coefficients, none can do better than the bound.',
    coefficient: 'coefficient', 'coefficient.is': 'The number by which a class multiplies one pixel. Above zero, ink on the pixel speaks for the class; below zero, against it. Also called a weight.',
    confusion: 'confusion matrix', 'confusion.is': 'A table with a row for each true class and a column for each answer. The diagonal counts right answers; every other cell counts one kind of mistake.',
    evidence: 'evidence', 'evidence.is': 'What a pixel adds to the score of a class: its ink times its coefficient. The evidence of all pixels and the intercept sum to the score exactly.',
    gap: 'gap', 'gap.is': 'The objective that was reached minus its proven lower bound, as a share of the objective. At a gap of 0.01% the fit is at most that far from the best one.',
    intercept: 'intercept', 'intercept.is': 'The number that a class adds to its score whatever the image. It is never penalised.',
    L1: 'L1 penalty', 'L1.is': 'The sum of the absolute values of the coefficients. It sets many of them to exactly zero, so that the model uses fewer pixels. Also called the lasso.',
    L2: 'L2 penalty', 'L2.is': 'Half the sum of the squares of the coefficients. It shrinks all of them a little and sets none to zero. Also called ridge or weight decay.',
    loss: 'log loss', 'loss.is': 'What a fit tries to make small: the sum over the training images of minus the logarithm of the probability of the right class. Also called cross-entropy.',
    logodds: 'log-odds', 'logodds.is': 'The logarithm of how many times likelier one class is than another. Here it is the difference of their scores: 0 is a tie, 0.7 is twice as likely, 2.3 ten times, 4.6 a hundred times.',
    bound: 'lower bound', 'bound.is': 'A number below which no coefficients can bring the objective. It is proven, not estimated.',
    objective: 'objective', 'objective.is': 'What a fit minimises: C times the loss plus the penalty.',
    regularisation: 'regularisation', 'regularisation.is': 'Holding coefficients back by a penalty on their size, so that the model does not bend to every accident of its training images. A small C is a strong penalty.',
    path: 'regularisation path', 'path.is': 'The same model fitted at many strengths of the penalty, from one so strong that no pixel is used to a weak one.',
    separable: 'separable', 'separable.is': 'Classes are separable when some coefficients give every training image its highest score for its own class. Then a fit without a penalty has no optimum: larger coefficients always fit better.',
    softmax: 'softmax', 'softmax.is': 'Turns scores into probabilities: raise e to each score and divide by the sum. With two classes it is the logistic function.',
    regression: 'softmax regression', 'regression.is': 'A linear model for several classes: a score for each class, a sum over pixels, turned into probabilities by the softmax. Also called multinomial logistic regression.',
    tolerance: 'tolerance', 'tolerance.is': 'How near to the optimum a fit has to come before it stops. Here it is a promise about the gap.',
  },
  de: {
    certificate: 'Zertifikat', 'certificate.is': 'Ein Beweis, der zu einer Anpassung gehört: eine untere Schranke der Zielfunktion. Keine Gewichte, welche auch immer, können darunter kommen.',
    coefficient: 'Koeffizient', 'coefficient.is': 'Die Zahl, mit der eine Klasse ein Pixel multipliziert. Über null spricht Tinte auf dem Pixel für die Klasse, unter null gegen sie. Auch Gewicht genannt.',
    confusion: 'Konfusionsmatrix', 'confusion.is': 'Eine Tabelle mit einer Zeile für jede wahre Klasse und einer Spalte für jede Antwort. Auf der Diagonale stehen die richtigen Antworten; jedes andere Feld zählt eine Art von Fehler.',
    evidence: 'Belege', 'evidence.is': 'Was ein Pixel zum Rohwert einer Klasse beiträgt: seine Tinte mal seinen Koeffizienten. Die Belege aller Pixel und der Achsenabschnitt ergeben zusammen genau den Rohwert.',
    gap: 'Lücke', 'gap.is': 'Die erreichte Zielfunktion minus ihre bewiesene untere Schranke, als Anteil der Zielfunktion. Bei einer Lücke von 0,01 % ist die Anpassung höchstens so weit von der besten entfernt.',
    intercept: 'Achsenabschnitt', 'intercept.is': 'Die Zahl, die eine Klasse zu ihrem Rohwert addiert, wie das Bild auch aussieht. Sie wird nie bestraft.',
    L1: 'L1-Strafe', 'L1.is': 'Die Summe der Beträge der Koeffizienten. Sie setzt viele von ihnen auf genau null, so dass das Modell weniger Pixel nutzt. Auch Lasso genannt.',
    L2: 'L2-Strafe', 'L2.is': 'Die halbe Summe der Quadrate der Koeffizienten. Sie macht alle etwas kleiner und keinen null. Auch Ridge oder Weight Decay genannt.',
    loss: 'Log-Verlust', 'loss.is': 'Was eine Anpassung klein machen will: die Summe über die Trainingsbilder von minus dem Logarithmus der Wahrscheinlichkeit der richtigen Klasse. Auch Kreuzentropie genannt.',
    logodds: 'Log-Odds', 'logodds.is': 'Der Logarithmus davon, wie viel wahrscheinlicher eine Klasse ist als eine andere. Hier ist es die Differenz ihrer Rohwerte: 0 ist Gleichstand, 0,7 doppelt so wahrscheinlich, 2,3 zehnmal, 4,6 hundertmal.',
    bound: 'untere Schranke', 'bound.is': 'Eine Zahl, unter die keine Koeffizienten die Zielfunktion bringen können. Sie ist bewiesen, nicht geschätzt.',
    objective: 'Zielfunktion', 'objective.is': 'Was eine Anpassung minimiert: C mal den Verlust plus die Strafe.',
    regularisation: 'Regularisierung', 'regularisation.is': 'Koeffizienten durch eine Strafe auf ihre Größe zurückhalten, damit sich das Modell nicht jedem Zufall seiner Trainingsbilder beugt. Ein kleines C ist eine starke Strafe.',
    path: 'Regularisierungspfad', 'path.is': 'Dasselbe Modell, angepasst bei vielen Stärken der Strafe: von einer so starken, dass kein Pixel genutzt wird, bis zu einer schwachen.',
    separable: 'trennbar', 'separable.is': 'Klassen sind trennbar, wenn irgendwelche Koeffizienten jedem Trainingsbild den höchsten Rohwert für seine eigene Klasse geben. Dann hat eine Anpassung ohne Strafe kein Optimum: Größere Koeffizienten passen immer noch besser.',
    softmax: 'Softmax', 'softmax.is': 'Macht aus Rohwerten Wahrscheinlichkeiten: e hoch jeden Rohwert, geteilt durch die Summe. Bei zwei Klassen ist es die logistische Funktion.',
    regression: 'Softmax-Regression', 'regression.is': 'Ein lineares Modell für mehrere Klassen: ein Rohwert für jede Klasse, eine Summe über Pixel, mit Softmax in Wahrscheinlichkeiten verwandelt. Auch multinomiale logistische Regression genannt.',
    tolerance: 'Toleranz', 'tolerance.is': 'Wie nah eine Anpassung dem Optimum kommen muss, bevor sie aufhört. Hier ist es ein Versprechen über die Lücke.',
  },
};
