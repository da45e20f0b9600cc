# SPDX-License-Identifier: Apache-2.0
"""Packages, audits, citations and deposits."""
