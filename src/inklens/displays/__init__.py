"""Figures in the manner of scikit-learn's Displays.

The constructor takes numbers, ``from_estimator``, ``from_predictions`` and ``from_dataset`` compute them, ``plot``
draws with matplotlib's object-oriented figure (pyplot is never touched), ``alt`` says the same in words, ``save``
writes SVG or PNG.
"""

import inklens.displays.headless  # noqa: F401 (first: matplotlib looks at the environment once)
from inklens.displays.base import NARROW, WIDE, Display
from inklens.displays.certainty import CalibrationDisplay, PredictionSetsDisplay
from inklens.displays.flips import FlipDisplay
from inklens.displays.galleries import MisclassifiedDisplay, RecipeStepsDisplay, SampleGalleryDisplay
from inklens.displays.judging import ConfusionMatrixDisplay, StrengthDisplay
from inklens.displays.limits import SeparationDisplay, SilenceDisplay
from inklens.displays.maps import CoefficientMapsDisplay, EvidenceDisplay, MapComparisonDisplay, ToleranceDisplay
from inklens.displays.palettes import PALETTES
from inklens.displays.path import PathDisplay
from inklens.displays.probabilities import ByHandDisplay, ProbabilityBarsDisplay
from inklens.displays.radii import RadiiDisplay
from inklens.displays.reasons import ReasonsDisplay
from inklens.displays.stability import StabilityDisplay, UncertaintyDisplay
from inklens.displays.suspects import ConfusionCellDisplay, LabelErrorsDisplay, NearDuplicatesDisplay
from inklens.displays.versus import ModelComparisonDisplay
from inklens.displays.votes import VotesDisplay

__all__ = [
    "NARROW",
    "PALETTES",
    "WIDE",
    "ByHandDisplay",
    "CalibrationDisplay",
    "CoefficientMapsDisplay",
    "ConfusionCellDisplay",
    "ConfusionMatrixDisplay",
    "Display",
    "EvidenceDisplay",
    "FlipDisplay",
    "LabelErrorsDisplay",
    "MapComparisonDisplay",
    "MisclassifiedDisplay",
    "ModelComparisonDisplay",
    "NearDuplicatesDisplay",
    "PathDisplay",
    "PredictionSetsDisplay",
    "ProbabilityBarsDisplay",
    "RadiiDisplay",
    "ReasonsDisplay",
    "RecipeStepsDisplay",
    "SampleGalleryDisplay",
    "SeparationDisplay",
    "SilenceDisplay",
    "StabilityDisplay",
    "StrengthDisplay",
    "ToleranceDisplay",
    "UncertaintyDisplay",
    "VotesDisplay",
]
