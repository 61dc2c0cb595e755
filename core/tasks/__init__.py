"""Where the images of a task come from, and the order in which a method sees them."""

from core.tasks.images import SPLITS, Images, Pixels
from core.tasks.stream import Stream

__all__ = ["SPLITS", "Images", "Pixels", "Stream"]
