"""The Congress Test: an open replication of the 2018 audit of face recognition."""

import warnings

# tqdm, which pooch imports, would like a Jupyter widget that this project does not need
warnings.filterwarnings("ignore", message="IProgress not found")
