"""Figures in the manner of scikit-learn's Displays.

The constructor takes numbers, ``from_estimator``, ``from_predictions`` and ``from_dataset`` compute them, ``plot``
draws with matplotlib's object-oriented figure (pyplot is never touched), ``alt`` says the same in words, ``save``
writes SVG or PNG.
"""

from inklens.displays.base import NARROW, WIDE, Display
from inklens.displays.certainty import CalibrationDisplay, PredictionSetsDisplay
from inklens.displays.flips import FlipDisplay
from inklens.displays.galleries import MisclassifiedDisplay, RecipeStepsDisplay, SampleGalleryDisplay
from inklens.displays.judging import ConfusionMatrixDisplay, StrengthDisplay
from inklens.displays.maps import CoefficientMapsDisplay, EvidenceDisplay, MapComparisonDisplay, ToleranceDisplay
from inklens.displays.palettes import PALETTES
from inklens.displays.path import PathDisplay
from inklens.displays.probabilities import ByHandDisplay, ProbabilityBarsDisplay
from inklens.displays.reasons import ReasonsDisplay
from inklens.displays.stability import StabilityDisplay, UncertaintyDisplay
from inklens.displays.versus import ModelComparisonDisplay
from inklens.displays.votes import VotesDisplay

__all__ = [
    "NARROW",
    "PALETTES",
    "WIDE",
    "ByHandDisplay",
    "CalibrationDisplay",
    "CoefficientMapsDisplay",
    "ConfusionMatrixDisplay",
    "Display",
    "EvidenceDisplay",
    "FlipDisplay",
    "MapComparisonDisplay",
    "MisclassifiedDisplay",
    "ModelComparisonDisplay",
    "PathDisplay",
    "PredictionSetsDisplay",
    "ProbabilityBarsDisplay",
    "ReasonsDisplay",
    "RecipeStepsDisplay",
    "SampleGalleryDisplay",
    "StabilityDisplay",
    "StrengthDisplay",
    "ToleranceDisplay",
    "UncertaintyDisplay",
    "VotesDisplay",
]
