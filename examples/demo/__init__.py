# SPDX-License-Identifier: Apache-2.0
"""The main job: two nuclei, two librarians, three rounds, one deposit."""
