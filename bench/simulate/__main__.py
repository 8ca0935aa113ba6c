"""`python bench/simulate`: see docs/scale.md."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the folder itself would hide the package

if __name__ == "__main__":
    from simulate.report import main

    main()
