"""From face pictures to feature vectors: LPQ, PHOG, principal components. Nothing here knows about labels."""
