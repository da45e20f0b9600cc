# SPDX-License-Identifier: Apache-2.0
"""``python -m sidecrate``."""

from sidecrate.surfaces.cli import main

if __name__ == "__main__":
    main()
