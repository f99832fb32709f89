"""`python -m emoface`, which launchers such as `accelerate launch -m` and `torchrun -m` need."""

import sys

from emoface.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
