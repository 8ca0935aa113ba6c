"""The wire languages headwater speaks. To add one: a file beside these, and a line here."""

from headwater.dialects.base import Dialect
from headwater.dialects.bigmind import Bigmind
from headwater.dialects.bik import Bik
from headwater.dialects.cloudevents import CloudEvents
from headwater.dialects.segment import Segment

DIALECTS: tuple[Dialect, ...] = (Bik(), Bigmind(), Segment(), CloudEvents())
