"""The Congress Test: an open replication of the 2018 audit of face recognition."""

import os
import warnings

# tqdm, which pooch imports, would like a Jupyter widget that this project does not need
warnings.filterwarnings("ignore", message="IProgress not found")
# onnxruntime would keep a device id in the user's cache and send what it did to its maker; it asks
# for this before anything else, and every process of this project comes by here first
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
