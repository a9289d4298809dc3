"""The ways to sign in, each of which ends in `admission`, and the pages that say why somebody was not let in."""
